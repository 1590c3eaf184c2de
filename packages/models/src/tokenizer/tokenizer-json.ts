/** tokenizer.json from a GGUF's tokens: SentencePiece's BPE and byte-level BPE. */
import { FormatError, type Metadata } from "@requant/core";
import { quoted } from "@requant/core/text";
import type { JsonObject, JsonValue } from "../json.ts";
import { boolOf, stringOf, stringsOf } from "../metadata-values.ts";
import { mergesFromScores } from "./merges.ts";
import { preTokenizerJson, preTokenizerOfName, preTokenizerTraits } from "./pre-tokenizers.ts";
import type { TokenizerRules } from "./rules.ts";
import { tokenTypes } from "./vocabulary.ts";

export interface Token {
  readonly id: number;
  readonly text: string;
  readonly type: number;
  readonly score: number;
}

/** The contents of a GGUF's tokenizer keys. */
export interface GgufTokenizer {
  readonly metadata: Metadata;
  readonly tokens: readonly Token[];
  readonly ids: ReadonlyMap<string, number>;
  /** add_bos_token and so on, in file order. */
  readonly added: ReadonlyMap<string, boolean>;
  readonly rules: TokenizerRules;
}

/**
 * Ordinary tokens of several characters that no merge makes, in a SentencePiece-like vocabulary that has merges: such
 * tokens must have been added (llama.cpp's converter marks just the named special tokens of Gemma 4).
 */
function unmergeable(tokens: readonly Token[], metadata: Metadata): readonly Token[] {
  if (stringOf(metadata.get("tokenizer.ggml.model")) !== "gemma4") return [];
  const made = new Set(mergePairs(metadata).map(([left, right]) => left + right));
  return tokens.filter(
    ({ text, type }) => type === tokenTypes.normal && [...text].length > 1 && !made.has(text),
  );
}

/** Added tokens of tokenizer.json: all special tokens, and tokens that are matched before any merging. */
export function addedTokens({ tokens, metadata }: GgufTokenizer): readonly JsonObject[] {
  const { control, userDefined, unknown } = tokenTypes;
  const hidden = new Set(unmergeable(tokens, metadata));
  return tokens
    .filter(
      (token) =>
        token.type === control || token.type === userDefined || token.type === unknown || hidden.has(token),
    )
    .map((token) => ({
      id: token.id,
      content: token.text,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: hidden.has(token) ? /^<.+>$/.test(token.text) : token.type !== userDefined,
    }));
}

const byteLevelProcessor: JsonObject = {
  type: "ByteLevel",
  add_prefix_space: true,
  trim_offsets: false,
  use_regex: true,
};

/** The post-processor with the tokens around a text, such that reading it again gives the same bos, eos and sep. */
export function postProcessor({ tokens, ids, added }: GgufTokenizer, byteLevel: boolean): JsonValue {
  const bos = added.get("bos") === true ? ids.get("bos") : undefined;
  const eos = added.get("eos") === true ? ids.get("eos") : undefined;
  if (bos === undefined && eos === undefined) {
    return byteLevel && added.get("bos") === false && added.get("eos") === false ? byteLevelProcessor : null;
  }
  const special = (id: number | undefined, typeId: number): JsonObject[] =>
    id === undefined ? [] : [{ SpecialToken: { id: tokens[id]?.text ?? "", type_id: typeId } }];
  const sequence = (id: string, typeId: number): JsonObject => ({ Sequence: { id, type_id: typeId } });
  // a pair with a separator has the end token and it in the middle, one without has the end and the beginning
  const second = added.get("sep") === true ? special(ids.get("sep") ?? eos, 0) : special(bos, 1);
  const template: JsonObject = {
    type: "TemplateProcessing",
    single: [...special(bos, 0), sequence("A", 0), ...special(eos, 0)],
    pair: [
      ...special(bos, 0),
      sequence("A", 0),
      ...(added.has("sep") ? [...special(eos, 0), ...second] : []),
      sequence("B", 1),
      ...special(eos, 1),
    ],
    special_tokens: Object.fromEntries(
      [bos, eos]
        .filter((id): id is number => id !== undefined)
        .map((id) => [
          tokens[id]?.text ?? "",
          { id: tokens[id]?.text ?? "", ids: [id], tokens: [tokens[id]?.text ?? ""] },
        ]),
    ),
  };
  const order = [...added.keys()];
  const eosBeforeSep = order.includes("eos") && order.indexOf("eos") < order.indexOf("sep");
  return byteLevel && eosBeforeSep
    ? { type: "Sequence", processors: [byteLevelProcessor, template] }
    : template;
}

/** RoBERTa's post-processor; null without the two tokens that it needs. */
function robertaProcessor({ tokens, ids }: GgufTokenizer): JsonObject | null {
  const cls = ids.get("bos");
  const sep = ids.get("sep") ?? ids.get("eos");
  if (cls === undefined || sep === undefined) return null;
  return {
    type: "RobertaProcessing",
    sep: [tokens[sep]?.text ?? "", sep],
    cls: [tokens[cls]?.text ?? "", cls],
    trim_offsets: true,
    add_prefix_space: false,
  };
}

/**
 * Tokens of the model's own vocabulary. The library numbers added tokens from the end of the vocabulary on, so the
 * vocabulary must reach at least to the last token after which ids continue without a gap.
 */
function vocabularyOf(tokens: readonly Token[]): JsonObject {
  const { normal, byte, unused } = tokenTypes;
  const isOwn = ({ type }: Token): boolean => type === normal || type === byte;
  let end = tokens.findLastIndex(isOwn) + 1;
  const lastAdded = tokens.findLastIndex(({ type }) => type !== unused);
  const gap = tokens.findLastIndex(({ type }, id) => type === unused && id >= end && id < lastAdded);
  if (gap >= 0) end = gap + 1;
  // no prototype: a token may have the text "__proto__"
  const vocabulary: Record<string, number> = Object.create(null);
  for (let id = 0; id < end; id++) vocabulary[tokens[id]?.text ?? ""] = id;
  return vocabulary;
}

function jsonFile(
  gguf: GgufTokenizer,
  parts: {
    normalizer: JsonValue;
    preTokenizer: JsonValue;
    decoder: JsonObject;
    model: JsonObject;
    byteLevel: boolean;
    postProcessor?: JsonValue;
  },
): JsonObject {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(gguf),
    normalizer: parts.normalizer,
    pre_tokenizer: parts.preTokenizer,
    post_processor: parts.postProcessor ?? postProcessor(gguf, parts.byteLevel),
    decoder: parts.decoder,
    model: parts.model,
  };
}

/**
 * Pairs, or the older spelling: one string with a space between the parts. Every reader supports the older spelling, and
 * it takes half the bytes.
 */
type Merges = readonly (readonly [string, string])[] | readonly string[];

/** False where the older spelling would be misread: a part has a space, or the merge looks like a comment. */
function isPlainMerge(merge: string): boolean {
  const space = merge.indexOf(" ");
  return space > 0 && merge.indexOf(" ", space + 1) < 0 && !merge.startsWith("#version");
}

function storedMerges(metadata: Metadata): Merges {
  const merges = stringsOf(metadata.get("tokenizer.ggml.merges")) ?? [];
  return merges.every(isPlainMerge) ? merges : mergePairs(metadata);
}

function madeMerges(pairs: readonly (readonly [string, string])[]): Merges {
  const merges = pairs.map(([left, right]) => `${left} ${right}`);
  return merges.every(isPlainMerge) ? merges : pairs;
}

function modelJson(
  vocabulary: JsonObject,
  merges: Merges,
  options: { unknown: string | null; byteFallback: boolean; ignoreMerges: boolean },
): JsonObject {
  return {
    type: "BPE",
    dropout: null,
    unk_token: options.unknown,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: options.byteFallback,
    byte_fallback: options.byteFallback,
    ignore_merges: options.ignoreMerges,
    vocab: vocabulary,
    merges,
  };
}

function mergePairs(metadata: Metadata): readonly (readonly [string, string])[] {
  return (stringsOf(metadata.get("tokenizer.ggml.merges")) ?? []).map((merge) => {
    const space = merge.indexOf(" ", 1);
    if (space < 0)
      throw new FormatError(
        `The key tokenizer.ggml.merges has the entry ${quoted(merge)}; two tokens with a space between were expected.`,
      );
    return [merge.slice(0, space), merge.slice(space + 1)];
  });
}

/** tokenizer.json of a byte-level BPE, or the reason why there is none. */
export function byteBpeJson(gguf: GgufTokenizer): JsonObject | string {
  const { metadata, tokens } = gguf;
  const pre = stringOf(metadata.get("tokenizer.ggml.pre"));
  const structure =
    pre === undefined
      ? undefined
      : preTokenizerOfName(pre, stringOf(metadata.get("general.architecture")) ?? "");
  if (pre === undefined || structure === undefined) {
    return pre === undefined
      ? "tokenizer.ggml.pre is missing, so the pre-tokenizer is unknown; copy tokenizer.json from the original model"
      : `the pre-tokenizer ${pre} is not known; copy tokenizer.json from the original model`;
  }
  const traits = preTokenizerTraits[pre];
  const nfc = boolOf(metadata.get("tokenizer.ggml.normalizer.nfc")) === true || traits?.normalizer === "NFC";
  return jsonFile(gguf, {
    normalizer: nfc ? { type: "NFC" } : null,
    preTokenizer: preTokenizerJson(structure.steps),
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: modelJson(vocabularyOf(tokens), storedMerges(metadata), {
      unknown: null,
      byteFallback: false,
      ignoreMerges: traits?.ignoreMerges === true,
    }),
    byteLevel: true,
    ...(traits?.postProcessor === undefined ? {} : { postProcessor: robertaProcessor(gguf) }),
  });
}

function replace(pattern: string, content: string): JsonObject {
  return { type: "Replace", pattern: { String: pattern }, content };
}

function unknownText({ tokens, ids }: GgufTokenizer): string | null {
  const id = ids.get("unk") ?? tokens.findIndex(({ type }) => type === tokenTypes.unknown);
  return tokens[id]?.text ?? null;
}

/** tokenizer.json of SentencePiece's BPE, or the reason why there is none. */
export function sentencePieceJson(gguf: GgufTokenizer): JsonObject | string {
  const { tokens, metadata, rules } = gguf;
  const given = storedMerges(metadata);
  const normal = tokens.filter(({ type }) => type === tokenTypes.normal);
  const scored = normal.some(({ score }) => !Object.is(score, normal[0]?.score));
  if (given.length === 0 && normal.length > 1 && !scored) {
    return "all tokens have the same score, so the merges are lost; copy tokenizer.json from the original model";
  }
  const userDefined = tokens
    .filter(({ type }) => type === tokenTypes.userDefined)
    .map((token) => ({ ...token, score: Number.POSITIVE_INFINITY }));
  const merges = given.length > 0 ? given : madeMerges(mergesFromScores([...normal, ...userDefined]));
  const prefix = boolOf(metadata.get("tokenizer.ggml.add_space_prefix")) ?? true;
  const gemma = rules.json === "gemma";
  const decoders: JsonObject[] = [replace("▁", " "), { type: "ByteFallback" }, { type: "Fuse" }];
  if (!gemma && prefix) decoders.push({ type: "Strip", content: " ", start: 1, stop: 0 });
  return jsonFile(gguf, {
    normalizer: gemma ? replace(" ", "▁") : null,
    preTokenizer: gemma
      ? { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious", invert: false }
      : { type: "Metaspace", replacement: "▁", prepend_scheme: prefix ? "first" : "never", split: false },
    decoder: { type: "Sequence", decoders },
    model: modelJson(vocabularyOf(tokens), merges, {
      unknown: unknownText(gguf),
      byteFallback: true,
      ignoreMerges: false,
    }),
    byteLevel: false,
  });
}
