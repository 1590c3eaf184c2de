/**
 * Tokenizers in other files than tokenizer.json and tokenizer.model. Oracles: the `tokenizer.*` keys that the classes of llama.cpp's
 * converter write from the same directory (version 0.5.0), and ids by the tokenizer's own library. See vectors/README.md.
 */

import { Tokenizer } from "@huggingface/tokenizers";
import { describe, expect, test } from "vitest";
import { architectureOfConfig, type HfFiles, readHfFiles, resolveConfig } from "../src/index.ts";
import type { JsonObject } from "../src/json.ts";
import { addTokenizerMetadata } from "../src/tokenizer/to-gguf.ts";
import { tokenizerFiles } from "../src/tokenizer/to-hf.ts";
import { asListed, type ManifestKey } from "./golden.ts";
import { messagesOf } from "./messages.ts";
import { deliberate, filesOf, readTokenizerVector, tokenizerVectorNames } from "./tokenizer-vector.ts";

function tokenizerOf(files: HfFiles) {
  const family = architectureOfConfig(files.config);
  const metadata = new Map();
  metadata.set("general.architecture", { type: "string", value: family.name });
  const findings = addTokenizerMetadata(
    metadata,
    files,
    resolveConfig(files.config, family),
    family.name,
    family.tokenizer,
  );
  return { family, metadata, findings };
}

describe.each(tokenizerVectorNames)("%s", (name) => {
  const vector = readTokenizerVector(name);
  const { family, metadata } = tokenizerOf(filesOf(vector));

  test("every tokenizer key, type, value, and their order", () => {
    const isTokenizer = ({ key }: ManifestKey): boolean =>
      key.startsWith("tokenizer.") && deliberate[name]?.includes(key) !== true;
    const ours = [...metadata].map(([key, value]) => asListed(key, value)).filter(isTokenizer);
    expect(ours).toEqual(vector.metadata.filter(isTokenizer));
  });

  test.skipIf(vector.tokenization.length === 0)("the ids of a tokenizer.json made of it", () => {
    const back = tokenizerFiles(metadata, family.tokenizer, undefined);
    expect(back.leftOut).toBeUndefined();
    const tokenizer = new Tokenizer(
      JSON.parse(JSON.stringify(back.files.get("tokenizer.json"))),
      JSON.parse(JSON.stringify(back.files.get("tokenizer_config.json"))),
    );
    // the JavaScript library drops zero-width joiners in its stand-in for SentencePiece's rules
    const own = name === "xlmr_json" ? /\u200d/ : /(?!)/;
    for (const { text, ids } of vector.tokenization.filter((sample) => !own.test(sample.text)))
      expect([text, tokenizer.encode(text).ids]).toEqual([text, ids]);
  });
});

describe("refuses, naming the file", () => {
  const tekken = JSON.parse(readTokenizerVector("tekken").files["tekken.json"] ?? "{}");
  const withTekken = (json: unknown) =>
    readHfFiles(
      "x",
      new Map([
        ["config.json", readTokenizerVector("tekken").files["config.json"] ?? ""],
        ["tekken.json", JSON.stringify(json)],
      ]),
      [],
    );
  const xlmr = filesOf(readTokenizerVector("xlmr_json"));
  const withModel = (model: JsonObject, normalizer: JsonObject | null = null): HfFiles => ({
    ...xlmr,
    tokenizerJson: { ...xlmr.tokenizerJson, model, normalizer },
  });
  const qwen = filesOf(readTokenizerVector("qwen"));
  const slow = filesOf(readTokenizerVector("gpt2_slow"));
  test.each<[string, HfFiles, string, RegExp]>([
    ["no size", withTekken({ ...tekken, config: {} }), "FORMAT", /-1 tokens/],
    [
      "a size beyond the tokens",
      withTekken({ ...tekken, config: { ...tekken.config, default_vocab_size: 5000 } }),
      "FORMAT",
      /4972 were expected/,
    ],
    ["no bytes", withTekken({ ...tekken, vocab: [{ rank: 0 }] }), "FORMAT", /without rank/],
    [
      "bytes that are no base64",
      withTekken({ ...tekken, vocab: [{ rank: 0, token_bytes: "*" }] }),
      "FORMAT",
      /base64/,
    ],
    [
      "a token that nothing makes",
      { ...qwen, tiktoken: `${qwen.tiktoken}eHl6eHl6eHl6 436\n` },
      "FORMAT",
      /no two tokens make/,
    ],
    ["a rank left out", { ...qwen, tiktoken: "YQ== 0\nYg== 2\n" }, "FORMAT", /no token of rank 1/],
    ["a line without rank", { ...qwen, tiktoken: "YQ==\n" }, "FORMAT", /has the line/],
    [
      "a config with fewer tokens",
      { ...qwen, config: { ...qwen.config, vocab_size: 600 } },
      "FORMAT",
      /600 tokens/,
    ],
    ["no pieces", withModel({ type: "Unigram", vocab: [] }), "FORMAT", /no pieces/],
    ["a piece without score", withModel({ type: "Unigram", vocab: [["a"]] }), "FORMAT", /text and score/],
    [
      "rules that are no base64",
      withModel({ type: "Unigram", vocab: [["a", 0]] }, { type: "Precompiled", precompiled_charsmap: "*" }),
      "FORMAT",
      /base64/,
    ],
    [
      "a class that is not known",
      { ...slow, tokenizerConfig: { tokenizer_class: "OwnTokenizer" } },
      "CONVERSION",
      /OwnTokenizer was found/,
    ],
    ["no class", { ...slow, tokenizerConfig: {} }, "CONVERSION", /nothing was found/],
  ])("%s", (_, files, code, message) => {
    expect(() => tokenizerOf(files)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});

test("a unigram tokenizer.model in a Llama is written as by the converter, with a note", () => {
  const unigram = filesOf(readTokenizerVector("xlmr")).sentencePieceBpe;
  const llama = filesOf(readTokenizerVector("codellama"));
  expect(messagesOf(tokenizerOf({ ...llama, tokenizerModel: unigram }))).toMatch(
    /merges its pieces by score/,
  );
  expect(tokenizerOf(llama).findings).toEqual([]);
});
