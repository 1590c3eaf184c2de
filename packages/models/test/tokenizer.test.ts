/** Spellings of tokenizers beyond those of the golden models. */

import { Tokenizer } from "@huggingface/tokenizers";
import { describe, expect, test } from "vitest";
import { ggufToHf, type HfFiles, hfToGguf } from "../src/index.ts";
import type { JsonObject, JsonValue } from "../src/json.ts";
import {
  preTokenizerJson,
  preTokenizerOfName,
  preTokenizerSteps,
  preTokenizers,
  preTokenizerTraits,
} from "../src/tokenizer/pre-tokenizers.ts";
import { messagesOf } from "./messages.ts";
import { readVector, vectorFiles } from "./vector.ts";

const llama31 = vectorFiles(readVector("llama31"));

function withPreTokenizer(files: HfFiles, change: (step: JsonObject) => JsonValue): HfFiles {
  const json = JSON.parse(JSON.stringify(files.tokenizerJson));
  json.pre_tokenizer.pretokenizers = json.pre_tokenizer.pretokenizers.map(change);
  return { ...files, tokenizerJson: json };
}

const preOf = (files: HfFiles): unknown =>
  hfToGguf(files, { fileType: "F32" }).metadata.get("tokenizer.ggml.pre")?.value;

describe("the pre-tokenizer is known by its structure", () => {
  test("removing the text between matches keeps the matches", () => {
    const files = withPreTokenizer(llama31, (step) =>
      step["type"] === "Split" ? { ...step, behavior: "Removed", invert: true } : step,
    );
    expect(preOf(files)).toBe("llama-bpe");
  });

  test("added tokens do not change that", () => {
    const json = JSON.parse(JSON.stringify(llama31.tokenizerJson));
    json.added_tokens.push({ ...json.added_tokens[0], id: 479, content: "<|mine|>" });
    expect(preOf({ ...llama31, tokenizerJson: json })).toBe("llama-bpe");
  });

  test("real and escaped line ends are the same", () => {
    const steps = preTokenizerSteps({
      type: "Split",
      pattern: { Regex: "[\r\n]" },
      behavior: "Isolated",
      invert: false,
    });
    expect(steps).toEqual([{ split: "[\\r\\n]" }]);
  });

  test("DeepSeek LLM's long list of cased letters is known by its beginning", () => {
    const step = {
      type: "Split",
      pattern: { Regex: "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿ]+" },
      behavior: "Isolated",
      invert: false,
    };
    expect(preTokenizerSteps(step)).toEqual([{ split: "\\s?[\\p{Lu}\\p{Ll}\\p{Lt}]+" }]);
  });

  test.each(preTokenizers.map((one) => [one.names.at(-1)?.name ?? "", one] as const))(
    "%s: JSON and back",
    (name, one) => {
      expect(preTokenizerSteps(preTokenizerJson(one.steps))).toEqual(one.steps);
      expect(preTokenizerOfName(name, "")).toBe(one);
      expect(one.names.at(-1)).toEqual({ name });
    },
  );

  test("no name means two structures, unless the architecture decides", () => {
    const seen = new Map<string, number>();
    for (const [index, { names, aliases }] of preTokenizers.entries()) {
      for (const name of new Set([
        ...names.filter((rule) => !rule.architectures).map((rule) => rule.name),
        ...(aliases ?? []),
      ])) {
        expect([name, seen.get(name)]).toEqual([name, undefined]);
        seen.set(name, index);
      }
    }
    for (const name of Object.keys(preTokenizerTraits))
      expect([name, preTokenizerOfName(name, "lfm2") !== undefined]).toEqual([name, true]);
  });
});

test("merges may be strings, and a space inside a part becomes Ġ", () => {
  const json = JSON.parse(JSON.stringify(llama31.tokenizerJson));
  const before = hfToGguf(llama31, { fileType: "F32" }).metadata.get("tokenizer.ggml.merges");
  json.model.merges = json.model.merges.map((pair: string[]) => pair.join(" "));
  expect(
    hfToGguf({ ...llama31, tokenizerJson: json }, { fileType: "F32" }).metadata.get("tokenizer.ggml.merges"),
  ).toEqual(before);
  json.model.merges = [["a b", "c"]];
  expect(
    hfToGguf({ ...llama31, tokenizerJson: json }, { fileType: "F32" }).metadata.get("tokenizer.ggml.merges"),
  ).toMatchObject({ value: ["aĠb c"] });
});

test("merges of a GGUF become strings, or pairs where a string would be read otherwise", () => {
  const plan = hfToGguf(llama31, { fileType: "F32" });
  const mergesOf = (value: readonly string[]): unknown => {
    const merges = { type: "array", elementType: "string", length: value.length, value } as const;
    const metadata = new Map(plan.metadata).set("tokenizer.ggml.merges", merges);
    const { files } = ggufToHf(
      { metadata, tensors: plan.tensors, smallTensors: undefined },
      { dtype: "F16" },
    );
    return JSON.parse(String(files.get("tokenizer.json"))).model.merges;
  };
  expect(mergesOf(["a b", "ab c"])).toEqual(["a b", "ab c"]);
  expect(mergesOf(["a b", "  c"])).toEqual([
    ["a", "b"],
    [" ", "c"],
  ]);
  // the library skips such a line as if it were the first line of a merges.txt
  expect(mergesOf(["#version x"])).toEqual([["#version", "x"]]);
});

test("a SentencePiece-like tokenizer.json without tokenizer.model: merging by score is merging by rank", () => {
  const llama2 = vectorFiles(readVector("llama2"));
  const plan = hfToGguf({ ...llama2, tokenizerModel: undefined }, { fileType: "F32" });
  expect(messagesOf(plan)).toMatch(/scores/);
  expect(plan.metadata.get("tokenizer.ggml.model")?.value).toBe("llama");
  const whole = hfToGguf(llama2, { fileType: "F32" });
  for (const key of ["tokens", "token_type"]) {
    expect(plan.metadata.get(`tokenizer.ggml.${key}`)).toEqual(whole.metadata.get(`tokenizer.ggml.${key}`));
  }
  const back = ggufToHf({ ...plan, smallTensors: undefined }, { dtype: "F32" });
  const ours = new Tokenizer(JSON.parse(String(back.files.get("tokenizer.json"))), {});
  const theirs = new Tokenizer(llama2.tokenizerJson ?? {}, {});
  for (const { text } of readVector("llama2").tokenization) {
    expect([text, ours.encode(text).ids]).toEqual([text, theirs.encode(text).ids]);
  }
});

describe("chat templates", () => {
  const templateKeys = (files: HfFiles) =>
    [...hfToGguf(files, { fileType: "F32" }).metadata]
      .filter(([key]) => key.includes("chat_template"))
      .map(([key, value]) => [key, value.value]);

  test("a file beside the config, with more of them", () => {
    const { chat_template: _, ...tokenizerConfig } = llama31.tokenizerConfig ?? {};
    const files: HfFiles = {
      ...llama31,
      tokenizerConfig,
      chatTemplate: "one",
      additionalChatTemplates: new Map([["tool use", "two"]]),
    };
    expect(templateKeys(files)).toEqual([
      ["tokenizer.chat_template.tool_use", "two"],
      ["tokenizer.chat_templates", ["tool_use"]],
      ["tokenizer.chat_template", "one"],
    ]);
  });

  test("the template of tokenizer_config.json comes first, and null counts as none", () => {
    const files: HfFiles = { ...llama31, chatTemplate: "file" };
    expect(templateKeys(files)[0]?.[1]).toBe(llama31.tokenizerConfig?.["chat_template"]);
    expect(
      templateKeys({ ...files, tokenizerConfig: { ...llama31.tokenizerConfig, chat_template: null } }),
    ).toEqual([]);
  });
});
