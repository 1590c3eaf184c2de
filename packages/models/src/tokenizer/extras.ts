/** Tokenizer keys that single families add. */
import { flagField } from "../json.ts";
import { bool, u32 } from "../metadata-values.ts";
import type { TokenizerExtra, TokenizerRules } from "./rules.ts";

/** tokenizer.ggml.add_space_prefix as tokenizer_config.json says it. */
export const spacePrefixOfConfig: TokenizerExtra = ({ files }) => {
  const value = flagField(files.tokenizerConfig, "add_prefix_space");
  return value === undefined ? [] : [["tokenizer.ggml.add_space_prefix", bool(value)]];
};

/** tokenizer.ggml.add_space_prefix of a family. */
export function spacePrefix(value: boolean): TokenizerExtra {
  return () => [["tokenizer.ggml.add_space_prefix", bool(value)]];
}

/** Fill-in-the-middle ids of CodeLlama, which has 32016 tokens. */
const codeLlama: TokenizerExtra = ({ config }) =>
  config.count("vocab_size") === 32016
    ? [
        ["tokenizer.ggml.prefix_token_id", u32(32007)],
        ["tokenizer.ggml.suffix_token_id", u32(32008)],
        ["tokenizer.ggml.middle_token_id", u32(32009)],
        ["tokenizer.ggml.eot_token_id", u32(32010)],
      ]
    : [];

/** The small Granite code models, which have 49152 tokens, take no BOS. */
const graniteCode: TokenizerExtra = ({ config }) =>
  config.count("vocab_size") === 49152 ? [["tokenizer.ggml.add_bos_token", bool(false)]] : [];

/** What every class derived from llama.cpp's LlamaModel does. */
export const llamaTokenizer: TokenizerRules = {
  kinds: ["sentencepiece", "sentencepiece-json", "byte-bpe"],
  before: [spacePrefixOfConfig],
  after: [codeLlama, graniteCode],
  json: "llama",
};

/** SentencePiece if it is there, else byte-level BPE. */
export const sentencePieceOrBpe: TokenizerRules = { kinds: ["sentencepiece", "byte-bpe"], json: "llama" };

export const byteBpe: TokenizerRules = { kinds: ["byte-bpe"] };
