/**
 * Vocabularies that no tokenizer.json holds: RWKV's and PLaMo 2's. Oracle: the files themselves, the spelling that Python
 * gives to bytes, and the ids that llama.cpp 0.7.0 gives to the golden samples.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseManifest } from "../../../fixtures/arch-golden.ts";
import { Config } from "../src/config.ts";
import { type HfFiles, hfToGguf } from "../src/index.ts";
import { writePlamo } from "../src/tokenizer/plamo.ts";
import { parseRwkvVocabulary, rwkvVocabularyFile, spellPythonBytes } from "../src/tokenizer/rwkv.ts";
import { backTo } from "./comparisons.ts";
import { type ManifestModel, readDirectory } from "./golden.ts";

const golden = process.env["REQUANT_GOLDEN"] ?? "";
const manifest = join(golden, "arch2/manifest.json");
const models: Record<string, ManifestModel> =
  golden !== "" && existsSync(manifest) ? parseManifest(readFileSync(manifest, "utf8")).models : {};

const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];

describe("rwkv_vocab_v20230424.txt", () => {
  test("texts and bytes as Python spells them", () => {
    const lines = [
      "1 '\\x00' 1",
      "2 ' the' 4",
      "3 '日本' 6",
      `4 "'s" 2`,
      "5 b'\\xff\\xfe' 2",
      "6 '\\n\\n' 2",
      "7 'a\\\\b' 3",
      "8 '\\u3000' 3",
      "9 ' ' 1",
    ];
    expect(parseRwkvVocabulary(`${lines.join("\n")}\n`).map((token) => [...token])).toEqual([
      [0],
      bytes(" the"),
      bytes("日本"),
      bytes("'s"),
      [255, 254],
      [10, 10],
      bytes("a\\b"),
      bytes("\u3000"),
      [32],
    ]);
  });

  test.each([
    // repr() of Python 3
    ["the", "the"],
    ["\t\n\r\0", "\\t\\n\\r\\x00"],
    ["'s", "'s"],
    [`'"`, `\\'"`],
    ["a\\b", "a\\\\b"],
    ["é", "\\xc3\\xa9"],
  ])("the bytes of %j", (text, spelled) => {
    expect(spellPythonBytes(new TextEncoder().encode(text))).toBe(spelled);
  });

  test.each(["1 'ab' 3", "1 ab 2", "1 'ab'", "x", "1 b'\\x1' 1"])("%s is refused", (line) => {
    expect(() => parseRwkvVocabulary(line)).toThrow("an id, a token and its length were expected");
  });

  test("written and read again", () => {
    const texts = ["\\x00", "'s", `\\'"`, "a\\\\b", "\\xff"];
    const tokens = [{ text: "<s>", type: 3 }, ...texts.map((text) => ({ text, type: 1 }))];
    expect(parseRwkvVocabulary(rwkvVocabularyFile(tokens)).map(spellPythonBytes)).toEqual(texts);
  });
});

describe("tokenizer.jsonl", () => {
  const files = (plamoTokens: string): HfFiles => ({
    directoryName: "d",
    config: { vocab_size: 4 },
    tokenizerConfig: { bos_token: "<|plamo:bos|>" },
    plamoTokens,
    tensors: [],
  });
  const config = new Config(new Map([["vocab_size", 4]]));

  test("texts, scores, types, and padding up to the size that config.json says", () => {
    const lines = ['["<|plamo:bos|>", 0.0, "CONTROL"]', '["<0x00>", 0.0, "BYTE"]', '["a", -1.5, "NORMAL"]'];
    expect(writePlamo(files(lines.join("\n")), config).vocabulary).toEqual({
      tokens: ["<|plamo:bos|>", "<0x00>", "a", "[PAD1]"],
      scores: [0, 0, -1.5, -1000],
      types: [3, 6, 1, 5],
    });
  });

  test("a line that is no list of a text and a score is refused", () => {
    expect(() => writePlamo(files('["a", "b"]\n'), config)).toThrow(
      "a text, a score and a type was expected",
    );
  });
});

/** Longest match first, which is how RWKV's own tokenizer works; llama.cpp reads the mark of the end before. */
function idsOf(text: string, tokens: readonly Uint8Array[]): readonly number[] {
  return text
    .split("<s>")
    .flatMap((part, index) => [...(index === 0 ? [] : [0]), ...longestMatch(part, tokens)]);
}

function longestMatch(text: string, tokens: readonly Uint8Array[]): readonly number[] {
  const byBytes = new Map(tokens.map((token, index) => [token.join(), index + 1]));
  const longest = tokens.reduce((most, { length }) => Math.max(most, length), 0);
  const all = bytes(text);
  const ids: number[] = [];
  for (let at = 0; at < all.length; ) {
    let length = Math.min(longest, all.length - at);
    while (length > 1 && !byBytes.has(all.slice(at, at + length).join())) length--;
    ids.push(byBytes.get(all.slice(at, at + length).join()) ?? -1);
    at += length;
  }
  return ids;
}

describe.skipIf(golden === "")("golden vocabularies (skipped: REQUANT_GOLDEN is not set)", () => {
  test.each(["rwkv6", "rwkv7"])("%s: the file comes back, and gives llama.cpp's ids", (name) => {
    const model = models[name];
    if (model === undefined) throw new Error(`no ${name}`);
    const files = readDirectory(join(golden, "arch2", model.dir));
    const back = backTo(hfToGguf(files, { fileType: "F32" }));
    const original = parseRwkvVocabulary(files.rwkvVocabulary ?? "");
    const restored = parseRwkvVocabulary(
      new TextDecoder().decode(back.files.get("rwkv_vocab_v20230424.txt") as Uint8Array),
    );
    expect(restored).toEqual(original);
    for (const { text, llamacpp } of model.tokenization) {
      expect([text, idsOf(text, restored)]).toEqual([text, llamacpp]);
    }
  });

  test("plamo2: the file comes back", () => {
    const model = models["plamo2"];
    if (model === undefined) throw new Error("no plamo2");
    const files = readDirectory(join(golden, "arch2", model.dir));
    const back = backTo(hfToGguf(files, { fileType: "F32" }));
    const rows = (text: string): unknown[] =>
      text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line));
    const restored = new TextDecoder().decode(back.files.get("tokenizer.jsonl") as Uint8Array);
    expect(rows(restored)).toEqual(rows(files.plamoTokens ?? ""));
  });
});
