/**
 * The kinds of tokenizers: which files each has, and how it is written (llama.cpp, conversion/base.py; gguf-py, vocab.py).
 */
import { ConversionError, type MetadataValue } from "@requant/core";
import type { Config } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import { field, flagField, objectField, textField } from "../json.ts";
import { bool } from "../metadata-values.ts";
import { note } from "../note.ts";
import { writeChatGlm3 } from "./chatglm3.ts";
import { writePlamo } from "./plamo.ts";
import { preTokenizerName, preTokenizerSteps, typeWithin } from "./pre-tokenizers.ts";
import type { TokenizerKind, TokenizerRules } from "./rules.ts";
import { writeRwkv } from "./rwkv.ts";
import { parseSentencePiece } from "./sentencepiece.ts";
import { piecesOfJson, sentencePieceJsonVocabulary, tokensOnly } from "./sentencepiece-json.ts";
import { readSpecialTokens } from "./special-tokens.ts";
import { t5Model, writeT5SentencePiece, writeUnigram, writeXlmSentencePiece } from "./unigram.ts";
import { tokenizerJsonOfVocab } from "./vocab-merges.ts";
import {
  bytePairVocabulary,
  decoderTokens,
  jsonTokens,
  mergeStrings,
  piecesVocabulary,
  scoresFromMerges,
  type Vocabulary,
} from "./vocabulary.ts";
import { writeWordPiece } from "./wordpiece.ts";
import { writeRankedFile, writeTekken, writeTiktoken } from "./write-ranked.ts";
import type { Written } from "./written.ts";

export const likeHint = "Give a GGUF of the same model as `like`: its tokenizer is taken.";

export interface WriteContext {
  readonly files: HfFiles;
  readonly config: Config;
  /** `general.architecture`. */
  readonly architecture: string;
  readonly rules: TokenizerRules;
}

interface Kind {
  /** Whether the files of the kind are there. */
  isThere(files: HfFiles): boolean;
  write(context: WriteContext): Written;
}

function modelType(files: HfFiles): string | undefined {
  return textField(objectField(files.tokenizerJson, "model"), "type");
}

function isSentencePieceJson(files: HfFiles): boolean {
  const model = objectField(files.tokenizerJson, "model");
  const decoder = objectField(files.tokenizerJson, "decoder");
  return (
    textField(model, "type") === "BPE" &&
    flagField(model, "byte_fallback") === true &&
    textField(decoder, "type") === "Sequence"
  );
}

function preTokenizerOf(files: HfFiles, architecture: string, added: ReadonlyMap<string, boolean>): string {
  const { tokenizerJson } = files;
  const texts = new Set([...jsonTokens(files), ...decoderTokens(files)].map(({ text }) => text));
  const steps = preTokenizerSteps(field(tokenizerJson, "pre_tokenizer"));
  const name =
    steps &&
    preTokenizerName(steps, {
      architecture,
      ignoreMerges: flagField(objectField(tokenizerJson, "model"), "ignore_merges") === true,
      bosTemplate: added.get("bos") === true,
      normalizer: typeWithin(field(tokenizerJson, "normalizer"), "normalizers", ["NFC", "NFKC"]),
      postProcessor: typeWithin(field(tokenizerJson, "post_processor"), "processors", ["RobertaProcessing"]),
      hasToken: (text) => texts.has(text),
    });
  if (name !== undefined) return name;
  throw new ConversionError("The tokenizer.json has a pre-tokenizer for which no GGUF name is known.", {
    path: "tokenizer.json",
    hint: likeHint,
  });
}

/** llama.cpp's converter writes such a model nevertheless, and so does Requant. */
const unigramNote = /* @__PURE__ */ note(
  "tokenizer-differs",
  "The tokenizer.model is a unigram model: llama.cpp merges its pieces by score, which gives some texts other ids.",
  { path: "tokenizer.model" },
);

const scoresNote = /* @__PURE__ */ note(
  "assumed",
  "Assumed tokenizer.ggml.scores: from the order of the merges, as there is no tokenizer.model.",
  { key: "tokenizer.ggml.scores" },
);

/**
 * tokenizer.ggml.add_space_prefix, where tokenizer.json puts no space before a text: llama.cpp does so unless the key
 * says no. Its converter only reads tokenizer_config.json, where a Gemma tokenizer in a Llama lacks the setting.
 */
function noSpacePrefix({ tokenizerJson, tokenizerConfig }: HfFiles): [string, MetadataValue][] {
  if (flagField(tokenizerConfig, "add_prefix_space") !== undefined) return [];
  const normalizer = field(tokenizerJson, "normalizer");
  const preTokenizer = field(tokenizerJson, "pre_tokenizer");
  const prepends = typeWithin(normalizer, "normalizers", ["Prepend"]) !== undefined;
  const metaspace = typeWithin(preTokenizer, "pretokenizers", ["Metaspace"]) !== undefined;
  return prepends || metaspace ? [] : [["tokenizer.ggml.add_space_prefix", bool(false)]];
}

/** What llama.cpp reads as a SentencePiece model. */
function sentencePieceLike(
  { files, rules }: WriteContext,
  vocabulary: Vocabulary,
  more: Partial<Written> = {},
): Written {
  const special = readSpecialTokens(files, vocabulary.tokens.length, rules.roles);
  return { model: "llama", pre: "default", vocabulary, special, ...more };
}

export const tokenizerKinds: Readonly<Record<TokenizerKind, Kind>> = {
  sentencepiece: {
    isThere: (files) => files.tokenizerModel !== undefined,
    write(context) {
      const { files, config, rules } = context;
      const { pieces, modelType } = parseSentencePiece(files.tokenizerModel ?? new Uint8Array(0));
      const manner = rules.addedTokens;
      const own = decoderTokens(files);
      const added = manner === "strict" ? [...own, ...jsonTokens(files)] : own;
      const vocabulary = piecesVocabulary(files, { pieces, path: "tokenizer.model", added }, config, manner);
      return sentencePieceLike(context, vocabulary, modelType === 1 ? { findings: [unigramNote] } : {});
    },
  },
  "sentencepiece-json": {
    isThere: isSentencePieceJson,
    write(context) {
      const { files } = context;
      const base = sentencePieceJsonVocabulary(files);
      const vocabulary = { ...base, scores: scoresFromMerges(base.tokens, base.types, files) };
      const between = { first: [], last: noSpacePrefix(files) };
      return sentencePieceLike(context, vocabulary, { between, findings: [scoresNote] });
    },
  },
  "gemma-json": {
    isThere: isSentencePieceJson,
    write(context) {
      const { files, config } = context;
      const added = [...decoderTokens(files), ...jsonTokens(files)];
      const source = { pieces: piecesOfJson(files), path: "tokenizer.json", added };
      const vocabulary = piecesVocabulary(files, source, config, undefined);
      return sentencePieceLike(context, vocabulary, { findings: [scoresNote] });
    },
  },
  gemma4: {
    isThere: isSentencePieceJson,
    write({ files, rules }) {
      const base = sentencePieceJsonVocabulary(files, rules.visibleTokens);
      const merges = mergeStrings(objectField(files.tokenizerJson, "model"));
      const special = readSpecialTokens(files, undefined, rules.roles);
      const vocabulary = { ...base, merges };
      return { model: "gemma4", pre: undefined, vocabulary, special };
    },
  },
  "byte-bpe": {
    isThere: (files) => modelType(files) === "BPE",
    write({ files, config, architecture, rules }) {
      const vocabulary = bytePairVocabulary(files, config, rules.addedTokens);
      const special = readSpecialTokens(files, undefined, rules.roles);
      const pre = preTokenizerOf(files, architecture, special.added);
      return { model: "gpt2", pre, vocabulary, special, normalizedBy: files.tokenizerJson };
    },
  },
  "vocab-merges": {
    isThere: (files) => files.vocabJson !== undefined && files.mergesText !== undefined,
    write({ files, config, architecture, rules }) {
      const assembled = { ...files, tokenizerJson: tokenizerJsonOfVocab(files) };
      const vocabulary = bytePairVocabulary(assembled, config);
      // special tokens would be read from tokenizer.json, which this checkpoint lacks
      const special = readSpecialTokens(files, undefined, rules.roles);
      const pre = preTokenizerOf(assembled, architecture, special.added);
      return { model: "gpt2", pre, vocabulary, special, normalizedBy: assembled.tokenizerJson };
    },
  },
  tekken: {
    isThere: (files) => files.tekken !== undefined && files.tokenizerJson === undefined,
    write: ({ files }) => writeTekken(files),
  },
  tiktoken: {
    isThere: (files) => files.tiktoken !== undefined,
    write: ({ files, config }) => writeTiktoken(files, config),
  },
  kimi: {
    isThere: (files) => files.tiktokenModel !== undefined,
    write: ({ files, config }) => writeRankedFile(files, config, "kimi"),
  },
  hunyuan: {
    isThere: (files) => files.hunyuanTiktoken !== undefined,
    write: ({ files, config }) => writeRankedFile(files, config, "hunyuan"),
  },
  rwkv: {
    isThere: (files) => files.rwkvVocabulary !== undefined,
    write: ({ files, config }) => writeRwkv(files, config),
  },
  chatglm3: {
    isThere: (files) => files.tokenizerModel !== undefined,
    write: ({ files, config }) => writeChatGlm3(files, config),
  },
  plamo: {
    isThere: (files) => files.plamoTokens !== undefined,
    write: ({ files, config }) => writePlamo(files, config),
  },
  unscored: {
    isThere: isSentencePieceJson,
    write: (context) =>
      sentencePieceLike(context, sentencePieceJsonVocabulary(context.files), {
        normalizedBy: context.files.tokenizerJson,
      }),
  },
  "tokens-only": {
    isThere: isSentencePieceJson,
    write: (context) =>
      sentencePieceLike(context, tokensOnly(context.files, context.config), {
        normalizedBy: context.files.tokenizerJson,
      }),
  },
  wordpiece: {
    isThere: (files) => modelType(files) === "WordPiece",
    write: ({ files, config }) => writeWordPiece(files, config),
  },
  unigram: {
    isThere: (files) => modelType(files) === "Unigram",
    write: ({ files, config }) => writeUnigram(files, config),
  },
  "t5-sentencepiece": {
    isThere: (files) => t5Model(files) !== undefined,
    write: ({ files, config }) => writeT5SentencePiece(files, config),
  },
  "xlm-sentencepiece": {
    isThere: (files) => files.sentencePieceBpe !== undefined,
    write: ({ files, config }) => writeXlmSentencePiece(files, config),
  },
};
