/**
 * ChatGLM3's vocabulary: the pieces of tokenizer.model, special tokens that only its tokenizer class names, and padding
 * (llama.cpp, conversion/chatglm.py `set_vocab_chatglm3`; THUDM/chatglm3-6b, tokenization_chatglm.py).
 */
import { FormatError } from "@requant/core";
import type { Config } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import { parseSentencePiece, pieceTypes } from "./sentencepiece.ts";
import { readSpecialTokens } from "./special-tokens.ts";
import { tokenTypes } from "./vocabulary.ts";
import type { Written } from "./written.ts";

/** Behind the pieces, in this order. */
const specialTexts: readonly string[] = [
  "[MASK]",
  "[gMASK]",
  "[sMASK]",
  "sop",
  "eop",
  "<|system|>",
  "<|user|>",
  "<|assistant|>",
  "<|observation|>",
];

/** The class gives these texts to the first three pieces. */
const firstTexts: readonly string[] = ["<unk>", "<bos>", "<eos>"];

/** `tokenizer.ggml.pre` of this vocabulary. */
export const CHATGLM3_PRE = "chatglm-spm";

export function writeChatGlm3(files: HfFiles, config: Config): Written {
  const { pieces } = parseSentencePiece(files.tokenizerModel ?? new Uint8Array(0));
  const own = [
    ...pieces.map(({ text, score, type }, id) => ({
      text: firstTexts[id] ?? text,
      score,
      type: type === pieceTypes.userDefined ? tokenTypes.normal : type,
    })),
    ...specialTexts.map((text) => ({ text, score: 0, type: tokenTypes.control })),
  ];
  const size = config.count("padded_vocab_size") ?? own.length;
  if (size < own.length || size > own.length + 1_000_000) {
    throw new FormatError(
      `The config.json says ${size} tokens as padded_vocab_size; tokenizer.model and the special tokens are ${own.length}.`,
      { path: "config.json" },
    );
  }
  const padding = Array.from({ length: size - own.length }, (_, index) => ({
    text: `[PAD${own.length + index}]`,
    score: 0,
    type: tokenTypes.unused,
  }));
  const all = [...own, ...padding];
  return {
    model: "llama",
    pre: CHATGLM3_PRE,
    vocabulary: {
      tokens: all.map(({ text }) => text),
      scores: all.map(({ score }) => score),
      types: all.map(({ type }) => type),
    },
    special: readSpecialTokens(files, size),
  };
}
