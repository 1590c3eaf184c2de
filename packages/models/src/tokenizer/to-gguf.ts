/** A checkpoint's tokenizer as `tokenizer.*` keys (llama.cpp, conversion/base.py; gguf-py, vocab.py). */

import { ConversionError, type Finding, type Metadata, type MetadataValue } from "@requant/core";
import type { Config } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import {
  arrayField,
  field,
  flagField,
  isJsonObject,
  type JsonObject,
  objectField,
  textField,
} from "../json.ts";
import { bool, numberArray, string, stringArray } from "../metadata-values.ts";
import { note } from "../note.ts";
import { preTokenizerName, preTokenizerSteps, typeWithin } from "./pre-tokenizers.ts";
import type { TokenizerContext, TokenizerKind, TokenizerRules } from "./rules.ts";
import { parseSentencePiece } from "./sentencepiece.ts";
import { piecesOfJson, sentencePieceJsonVocabulary, tokensOnly } from "./sentencepiece-json.ts";
import {
  chatTemplateMetadata,
  lostTemplateFindings,
  readSpecialTokens,
  specialTokenMetadata,
} from "./special-tokens.ts";
import { templateNotes } from "./template-notes.ts";
import { t5Model, writeT5SentencePiece, writeUnigram, writeXlmSentencePiece } from "./unigram.ts";
import { tokenizerJsonOfVocab } from "./vocab-merges.ts";
import {
  bytePairVocabulary,
  decoderTokens,
  jsonTokens,
  mergeStrings,
  piecesVocabulary,
  scoresFromMerges,
} from "./vocabulary.ts";
import { writeWordPiece } from "./wordpiece.ts";
import { writeTekken, writeTiktoken } from "./write-ranked.ts";
import type { Written } from "./written.ts";

const likeHint = "Give a GGUF of the same model as `like`: its tokenizer is taken.";

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

const isThere: Readonly<Record<TokenizerKind, (files: HfFiles) => boolean>> = {
  sentencepiece: (files) => files.tokenizerModel !== undefined,
  "sentencepiece-json": isSentencePieceJson,
  "byte-bpe": (files) => modelType(files) === "BPE",
  "gemma-json": isSentencePieceJson,
  gemma4: isSentencePieceJson,
  tekken: (files) => files.tekken !== undefined && files.tokenizerJson === undefined,
  "vocab-merges": (files) => files.vocabJson !== undefined && files.mergesText !== undefined,
  tiktoken: (files) => files.tiktoken !== undefined,
  "tokens-only": isSentencePieceJson,
  wordpiece: (files) => modelType(files) === "WordPiece",
  unigram: (files) => modelType(files) === "Unigram",
  "t5-sentencepiece": (files) => t5Model(files) !== undefined,
  "xlm-sentencepiece": (files) => files.sentencePieceBpe !== undefined,
};

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

/** Keys with the type of the normalizer that each stands for; BertNormalizer has the first two as settings. */
const normalizerKeys = [
  ["lowercase", "Lowercase"],
  ["strip_accents", "StripAccents"],
  ["nfc", "NFC"],
] as const;

function normalizerFlag(normalizer: JsonObject, key: string, type: string): boolean | undefined {
  if (textField(normalizer, "type") === "BertNormalizer") return flagField(normalizer, key);
  return textField(normalizer, "type") === type ? true : undefined;
}

function normalizerMetadata(files: HfFiles): [string, MetadataValue][] {
  const outer = objectField(files.tokenizerJson, "normalizer");
  if (outer === undefined) return [];
  const list = (arrayField(outer, "normalizers") ?? [outer]).filter(isJsonObject);
  return normalizerKeys.flatMap(([key, type]): [string, MetadataValue][] => {
    const flag = list.map((one) => normalizerFlag(one, key, type)).findLast((one) => one !== undefined);
    return flag === undefined ? [] : [[`tokenizer.ggml.normalizer.${key}`, bool(flag)]];
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

function write(
  kind: TokenizerKind,
  files: HfFiles,
  config: Config,
  architecture: string,
  rules: TokenizerRules,
): Written {
  switch (kind) {
    case "sentencepiece": {
      const model = files.tokenizerModel ?? new Uint8Array(0);
      const { pieces, modelType } = parseSentencePiece(model);
      const manner = rules.addedTokens;
      const added =
        manner === "strict" ? [...decoderTokens(files), ...jsonTokens(files)] : decoderTokens(files);
      const vocabulary = piecesVocabulary(files, { pieces, path: "tokenizer.model", added }, config, manner);
      const special = readSpecialTokens(files, vocabulary.tokens.length, rules.roles);
      const isUnigram = modelType === 1;
      return {
        model: "llama",
        pre: "default",
        vocabulary,
        special,
        hasNormalizer: false,
        ...(isUnigram ? { findings: [unigramNote] } : {}),
      };
    }
    case "sentencepiece-json": {
      const base = sentencePieceJsonVocabulary(files);
      const vocabulary = { ...base, scores: scoresFromMerges(base.tokens, base.types, files) };
      const special = readSpecialTokens(files, vocabulary.tokens.length, rules.roles);
      const findings = [scoresNote];
      const between = { first: [], last: noSpacePrefix(files) };
      return { model: "llama", pre: "default", vocabulary, special, hasNormalizer: false, between, findings };
    }
    case "gemma-json": {
      const added = [...decoderTokens(files), ...jsonTokens(files)];
      const source = { pieces: piecesOfJson(files), path: "tokenizer.json", added };
      const vocabulary = piecesVocabulary(files, source, config, undefined);
      const special = readSpecialTokens(files, vocabulary.tokens.length, rules.roles);
      const findings = [scoresNote];
      return { model: "llama", pre: "default", vocabulary, special, hasNormalizer: false, findings };
    }
    case "gemma4": {
      const base = sentencePieceJsonVocabulary(files, rules.visibleTokens);
      const merges = mergeStrings(objectField(files.tokenizerJson, "model"));
      const special = readSpecialTokens(files, undefined, rules.roles);
      return {
        model: "gemma4",
        pre: undefined,
        vocabulary: { ...base, merges },
        special,
        hasNormalizer: false,
      };
    }
    case "vocab-merges": {
      const assembled = { ...files, tokenizerJson: tokenizerJsonOfVocab(files) };
      const vocabulary = bytePairVocabulary(assembled, config);
      // special tokens would be read from tokenizer.json, which this checkpoint lacks
      const special = readSpecialTokens(files, undefined, rules.roles);
      const pre = preTokenizerOf(assembled, architecture, special.added);
      return { model: "gpt2", pre, vocabulary, special, hasNormalizer: false };
    }
    case "tiktoken":
      return writeTiktoken(files, config);
    case "tekken":
      return writeTekken(files);
    case "tokens-only": {
      const vocabulary = tokensOnly(files, config);
      const special = readSpecialTokens(files, vocabulary.tokens.length, rules.roles);
      return { model: "llama", pre: "default", vocabulary, special, hasNormalizer: true };
    }
    case "wordpiece":
      return writeWordPiece(files, config);
    case "unigram":
      return writeUnigram(files, config);
    case "t5-sentencepiece":
      return writeT5SentencePiece(files, config);
    case "xlm-sentencepiece":
      return writeXlmSentencePiece(files, config);
    case "byte-bpe": {
      const vocabulary = bytePairVocabulary(files, config, rules.addedTokens);
      const special = readSpecialTokens(files, undefined, rules.roles);
      const pre = preTokenizerOf(files, architecture, special.added);
      return { model: "gpt2", pre, vocabulary, special, hasNormalizer: true };
    }
  }
}

function idsByText(tokens: readonly string[]): ReadonlyMap<string, number> {
  const ids = new Map<string, number>();
  tokens.forEach((text, id) => {
    ids.set(text, id);
  });
  return ids;
}

/**
 * The `tokenizer.*` keys of a checkpoint, set into `metadata` in order. Returns what was assumed.
 * @throws ConversionError when there is no tokenizer that the family's class could read.
 */
export function addTokenizerMetadata(
  metadata: Map<string, MetadataValue>,
  files: HfFiles,
  config: Config,
  architecture: string,
  rules: TokenizerRules,
): readonly Finding[] {
  const kind = rules.kinds.find((candidate) => isThere[candidate](files));
  if (kind === undefined) {
    const type = textField(objectField(files.tokenizerJson, "model"), "type");
    throw new ConversionError(
      type === undefined
        ? "There is no tokenizer.json or tokenizer.model that can be mapped."
        : `The tokenizer.json is a ${type} model, from which no ${architecture} GGUF can be written.`,
      { path: "tokenizer.json", hint: likeHint },
    );
  }
  const written = write(kind, files, config, architecture, rules);
  const { model, pre, vocabulary, special, hasNormalizer } = written;
  // most families look up no token by its text
  let ids: ReadonlyMap<string, number> | undefined;
  const idOf = (text: string): number | undefined => {
    ids ??= idsByText(vocabulary.tokens);
    return ids.get(text);
  };
  const context: TokenizerContext = {
    files,
    config,
    metadata: metadata as Metadata,
    tokenId: idOf,
  };
  const put = (values: Iterable<readonly [string, MetadataValue]>): void => {
    for (const [key, value] of values) metadata.set(key, value);
  };
  if (written.keys !== undefined) {
    put(written.keys);
    return files.chatTemplate === undefined
      ? [note("no-template", "There is no tokenizer.chat_template, as tekken.json holds none.")]
      : [];
  }
  for (const extra of rules.before ?? []) put(extra(context));
  metadata.set("tokenizer.ggml.model", string(model));
  if (pre !== undefined) metadata.set("tokenizer.ggml.pre", string(pre));
  metadata.set("tokenizer.ggml.tokens", stringArray(vocabulary.tokens));
  if (vocabulary.scores !== undefined)
    metadata.set("tokenizer.ggml.scores", numberArray("f32", vocabulary.scores));
  metadata.set("tokenizer.ggml.token_type", numberArray("i32", vocabulary.types));
  if (vocabulary.merges !== undefined && vocabulary.merges.length > 0) {
    metadata.set("tokenizer.ggml.merges", stringArray(vocabulary.merges));
  }
  put(written.between?.first ?? []);
  for (const extra of rules.between ?? []) put(extra(context));
  put(written.between?.last ?? []);
  for (const [role, text] of rules.rolesByText ?? []) {
    const id = idOf(text);
    if (id !== undefined && !special.ids.has(role)) special.ids.set(role, id);
  }
  put(specialTokenMetadata(special));
  put(chatTemplateMetadata(files));
  if (hasNormalizer) put(normalizerMetadata(files));
  for (const extra of rules.after ?? []) put(extra(context));
  return [
    ...(written.findings ?? []),
    ...lostTemplateFindings(files),
    ...templateNotes(files.tokenizerJson, metadata, vocabulary.tokens),
  ];
}
