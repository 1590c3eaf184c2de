/**
 * Tokens that other files add to a SentencePiece model. Oracle: golden set, reports/gguf/08 and 09 (expected.md): base pieces
 * keep their types, only new ids are user-defined; names and types of renamed pieces are those of added_tokens_decoder.
 */
import { expect, test } from "vitest";
import { type HfFiles, hfToGguf } from "../src/index.ts";
import { readVector, vectorFiles } from "./vector.ts";

const llama = vectorFiles(readVector("llama2"));

const listOf = (files: HfFiles, key: string): unknown[] => {
  const { metadata } = hfToGguf(files, { fileType: "F16", contradictions: "report" });
  const value = metadata.get(`tokenizer.ggml.${key}`)?.value;
  return Array.from(value as ArrayLike<unknown>);
};

test("gguf/08-added-tokens-json-base-ids: pieces that added_tokens.json repeats stay what they are", () => {
  const files: HfFiles = {
    ...llama,
    tokenizerConfig: undefined,
    specialTokensMap: undefined,
    tokenizerJson: undefined,
    config: { ...llama.config, vocab_size: 514 },
    addedTokens: { "<unk>": 0, "<s>": 1, "</s>": 2, "<|im_end|>": 512, "<|im_start|>": 513 },
  };
  expect(listOf(files, "token_type").slice(0, 3)).toEqual([2, 3, 3]);
  expect(listOf(files, "scores").slice(0, 3)).toEqual([0, 0, 0]);
  expect(listOf(files, "token_type").slice(512)).toEqual([4, 4]);
  expect(listOf(files, "tokens").slice(512)).toEqual(["<|im_end|>", "<|im_start|>"]);
});

test("a piece that added_tokens.json renames is user-defined", () => {
  const files: HfFiles = { ...llama, tokenizerConfig: undefined, addedTokens: { "<mine>": 300 } };
  expect(listOf(files, "tokens")[300]).toBe("<mine>");
  expect(listOf(files, "token_type")[300]).toBe(4);
});

test("gguf/09-added-tokens-decoder-renames: names and types come from added_tokens_decoder", () => {
  const token = (content: string, special: boolean): { content: string; special: boolean } => ({
    content,
    special,
  });
  const files: HfFiles = {
    ...llama,
    tokenizerJson: undefined,
    specialTokensMap: undefined,
    tokenizerConfig: {
      bos_token: "<s>",
      eos_token: "<|im_end|>",
      added_tokens_decoder: {
        "509": token("<|im_start|>", true),
        "510": token("<|im_end|>", true),
        "511": token("<tool>", false),
      },
    },
    config: { ...llama.config, eos_token_id: 510 },
  };
  expect(listOf(files, "tokens").slice(509)).toEqual(["<|im_start|>", "<|im_end|>", "<tool>"]);
  expect(listOf(files, "token_type").slice(509)).toEqual([3, 3, 4]);
  const { metadata } = hfToGguf(files, { fileType: "F16", contradictions: "report" });
  expect(metadata.get("tokenizer.ggml.eos_token_id")?.value).toBe(510);
});
