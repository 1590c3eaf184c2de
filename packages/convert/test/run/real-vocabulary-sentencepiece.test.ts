/**
 * SentencePiece's vocabularies at their real size, without tokenizer.model. Oracles: the files that llama.cpp's converter writes, but
 * for what each test names, and @huggingface/tokenizers.
 */
import type { Metadata, MetadataValue } from "@requant/core";
import { describe, expect, it } from "vitest";
import { realVocabularies } from "../../../../fixtures/real-vocabularies.ts";
import { asGguf, expectSameTokens, sha256, withMetadata } from "./real-vocabulary.ts";

const SCORES = "tokenizer.ggml.scores";
const TYPES = "tokenizer.ggml.token_type";
const CONTROL = 3;
const MASK = 4;

/** What the converter writes: one score for all tokens, with which llama.cpp merges in no sensible order. */
function withConverterScores(metadata: Metadata): Map<string, MetadataValue> {
  const length = arrayLength(metadata, SCORES);
  const value = new Float32Array(length).fill(-1000);
  return new Map(metadata).set(SCORES, { type: "array", elementType: "f32", length, value });
}

function arrayLength(metadata: Metadata, key: string): number {
  const value = metadata.get(key);
  return value?.type === "array" ? value.length : 0;
}

describe("llama2", async () => {
  const gguf = await asGguf("llama2");

  it("becomes the file that llama.cpp's converter writes, but for the scores", async () => {
    const theirs = await withMetadata(gguf, withConverterScores);
    expect(sha256(theirs)).toBe(realVocabularies.llama2.convertedSha256);
  });

  it("comes back as a tokenizer that gives every text the same tokens", () =>
    // as transformers writes tokenizer.json today: a space is put before a text that has none, not before every text
    expectSameTokens("llama2", gguf, { given: (text) => (text.startsWith(" ") ? ` ${text}` : text) }));
});

describe("gemini", async () => {
  const gguf = await asGguf("gemini");

  it("becomes the file that llama.cpp's converter writes, but for scores, <mask> and the space before a text", async () => {
    const theirs = await withMetadata(gguf, (metadata) => {
      const changed = withConverterScores(metadata);
      // tokenizer.json puts no space before a text; the converter does not look there, and llama.cpp would put one
      expect(changed.delete("tokenizer.ggml.add_space_prefix")).toBe(true);
      // the Python class counts <mask> among the special tokens, although no file says so
      const types = metadata.get(TYPES);
      if (types?.type !== "array" || types.elementType !== "i32") return metadata;
      const value = Array.from(types.value, (type, id) => (id === MASK ? CONTROL : type));
      return changed.set(TYPES, { ...types, value });
    });
    expect(sha256(theirs)).toBe(realVocabularies.gemini.convertedSha256);
  });

  it("comes back as a tokenizer that gives the same tokens, but for runs of newlines that no token holds", () =>
    // the converter calls the tokens of up to 31 newlines ordinary, so they are merged and not matched longest first
    expectSameTokens("gemini", gguf, { leftOut: /\n{32}/ }));
});
