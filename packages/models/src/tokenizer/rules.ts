/** How a family's class handles tokenizers (llama.cpp, conversion/*.py `set_vocab`). */
import type { Metadata, MetadataValue } from "@requant/core";
import type { Config } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";

/**
 * `tekken`: Mistral's tekken.json, where there is no tokenizer.json. `vocab-merges`: vocab.json and merges.txt.
 * `tiktoken`: Qwen 1's qwen.tiktoken. `kimi`: Kimi's tiktoken.model. `hunyuan`: Hunyuan's hy.tiktoken. `rwkv`: RWKV's
 * rwkv_vocab_v20230424.txt. `chatglm3`: ChatGLM3's tokenizer.model. `plamo`: PLaMo 2's tokenizer.jsonl. `wordpiece`, `unigram`: tokenizer.json of these kinds.
 * `xlm-sentencepiece`: XLM-RoBERTa's sentencepiece.bpe.model. `t5-sentencepiece`: T5's unigram model, spiece.model or
 * tokenizer.model. `sentencepiece`: tokenizer.model. `sentencepiece-json`: tokenizer.json of that
 * kind (BPE with byte fallback). `byte-bpe`: tokenizer.json with a byte-level BPE. `gemma-json`: Gemma 1 to 3 without
 * tokenizer.model; their tokenizer.json lists all tokens. `gemma4`: sentencepiece-like tokenizer.json that keeps its
 * merges. `tokens-only`: tokenizer.json of SentencePiece's kind, of which only tokens and their types are
 * written (XVERSE). `unscored`: the same, with one score for all tokens (DeciLM).
 */
export type TokenizerKind =
  | "tekken"
  | "sentencepiece"
  | "sentencepiece-json"
  | "byte-bpe"
  | "vocab-merges"
  | "tiktoken"
  | "kimi"
  | "hunyuan"
  | "rwkv"
  | "chatglm3"
  | "plamo"
  | "wordpiece"
  | "unigram"
  | "xlm-sentencepiece"
  | "t5-sentencepiece"
  | "tokens-only"
  | "unscored"
  | "gemma-json"
  | "gemma4";

/** What a step of writing a tokenizer sees: the files of the directory, config.json, and the metadata so far. */
export interface TokenizerContext {
  readonly files: HfFiles;
  readonly config: Config;
  readonly metadata: Metadata;
  /** Id of a token by its text; undefined when there is none. */
  tokenId(text: string): number | undefined;
}

/** Keys that are written around the tokenizer, in order. A key that is set again keeps its place and gets the new value. */
export type TokenizerExtra = (context: TokenizerContext) => readonly (readonly [string, MetadataValue])[];

/** How the tokenizer of a family is read from a directory and written into a GGUF. */
export interface TokenizerRules {
  /** The kinds to try in this order; the first whose files exist is used. */
  readonly kinds: readonly TokenizerKind[];
  readonly before?: readonly TokenizerExtra[];
  /** Between the tokens and the special ids. */
  readonly between?: readonly TokenizerExtra[];
  readonly after?: readonly TokenizerExtra[];
  /** Roles that the class gives to a token by its text, where the files give none. */
  readonly rolesByText?: readonly (readonly [role: string, text: string])[];
  /** Special or ordinary tokens that are written as user-defined, because chat parsers must see them. */
  readonly visibleTokens?: readonly string[];
  /** Keys that the class writes independently of the files; they are not converted back. */
  readonly ownKeys?: readonly string[];
  /** The roles that the class reads; absent: all. */
  readonly roles?: readonly string[];
  /**
   * How the class reads added tokens. `strict` (Phi-3): the spelling of a token that is added to SentencePiece's gives it
   * no type, and tokenizer.json's added tokens count. `typed` (Dream): the same for a byte-level BPE. `redefined` (Arctic): the same, and special tokens keep a score of 0.
   */
  readonly addedTokens?: "strict" | "typed" | "redefined";
  /** True where generation_config.json lists the end of a turn and the end of a text, from which the class reads the first. */
  readonly listsEnds?: true;
  /** How the family's tokenizer.json is built again from a SentencePiece vocabulary. */
  readonly json?: "llama" | "gemma";
}
