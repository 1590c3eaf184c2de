/** Chat templates whose names become one key in a GGUF. Oracle: gguf-py's rule for the keys (every other character is "_"). */
import { describe, expect, test } from "vitest";
import type { HfFiles } from "../src/index.ts";
import { chatTemplateMetadata, lostTemplateFindings } from "../src/tokenizer/special-tokens.ts";

function filesWith(names: readonly string[]): HfFiles {
  const chat_template = names.map((name, index) => ({ name, template: `template ${index}` }));
  return { directoryName: "m", config: {}, tensors: [], tokenizerConfig: { chat_template } };
}

describe("chat templates", () => {
  test.each<[string, readonly string[], readonly [key: string, template: string][], readonly string[]]>([
    [
      "a.b and a_b",
      ["a.b", "a_b"],
      [[".a_b", "template 0"]],
      ['"a_b" is not written: a GGUF calls it "a_b"'],
    ],
    ["one name twice", ["rag", "rag"], [[".rag", "template 0"]], ['"rag" is not written']],
    ["two defaults", ["default", "default"], [["", "template 0"]], ['"default" is not written']],
    ["no name", ["", "rag"], [[".rag", "template 1"]], ['"" is not written: it has no name']],
    [
      "names that differ",
      ["a.b", "c"],
      [
        [".a_b", "template 0"],
        [".c", "template 1"],
      ],
      [],
    ],
  ])("%s: what is written, and what is named as lost", (_, names, written, lost) => {
    const files = filesWith(names);
    const texts = chatTemplateMetadata(files).flatMap(([key, { type, value }]) =>
      type === "string" ? [[key, value]] : [],
    );
    expect(texts).toEqual(written.map(([key, value]) => [`tokenizer.chat_template${key}`, value]));
    expect(lostTemplateFindings(files).map(({ message }) => message)).toEqual(
      lost.map((words) => expect.stringContaining(words)),
    );
  });
});
