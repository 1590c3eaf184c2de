/** Tokenizer keys that single families add. */
import { flagField } from "../json.ts";
import { bool, u32 } from "../metadata-values.ts";
import type { TokenizerExtra, TokenizerKind, TokenizerRules } from "./rules.ts";

/** A byte-level BPE: tokenizer.json, or the older vocab.json and merges.txt. */
export const byteKinds: readonly TokenizerKind[] = ["byte-bpe", "vocab-merges"];

/** tokenizer.ggml.add_space_prefix from tokenizer_config.json. */
export const spacePrefixOfConfig: TokenizerExtra = ({ files }) => {
  const value = flagField(files.tokenizerConfig, "add_prefix_space");
  return value === undefined ? [] : [["tokenizer.ggml.add_space_prefix", bool(value)]];
};

/** tokenizer.ggml.add_space_prefix of a family. */
export function spacePrefix(value: boolean): TokenizerExtra {
  return () => [["tokenizer.ggml.add_space_prefix", bool(value)]];
}

/**
 * CodeLlama, which has 32016 tokens, ends fill-in-the-middle with token 32010. llama.cpp's converter also asks for prefix, suffix and middle,
 * but its writer has no key for them and skips them (gguf-py, gguf_writer.py); llama.cpp finds them by their texts.
 */
const codeLlama: TokenizerExtra = ({ config }) =>
  config.count("vocab_size") === 32016 ? [["tokenizer.ggml.eot_token_id", u32(32010)]] : [];

/** The small Granite code models, which have 49152 tokens, use no BOS. */
const graniteCode: TokenizerExtra = ({ config }) =>
  config.count("vocab_size") === 49152 ? [["tokenizer.ggml.add_bos_token", bool(false)]] : [];

/** The rules of every class that is derived from llama.cpp's LlamaModel. */
export const llamaTokenizer: TokenizerRules = {
  kinds: ["tekken", "sentencepiece", "sentencepiece-json", ...byteKinds, "unigram"],
  before: [spacePrefixOfConfig],
  after: [codeLlama, graniteCode],
  json: "llama",
};

/** SentencePiece if the checkpoint has it, else byte-level BPE. */
export const sentencePieceOrBpe: TokenizerRules = { kinds: ["sentencepiece", ...byteKinds], json: "llama" };

export const byteBpe: TokenizerRules = { kinds: byteKinds };
