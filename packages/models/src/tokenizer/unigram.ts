/** Unigram vocabularies: `t5` in GGUF (llama.cpp, conversion/bert.py `_xlmroberta_set_vocab`; its reader is llama-vocab.cpp's UGM). */

import { FormatError, type MetadataValue } from "@requant/core";
import type { Config } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import {
  arrayField,
  field,
  flagField,
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  numberField,
  objectField,
  textField,
} from "../json.ts";
import { bool, boolOf, numberArray, numbersOf } from "../metadata-values.ts";
import { note } from "../note.ts";
import { typeWithin } from "./pre-tokenizers.ts";
import {
  parseSentencePiece,
  pieceTypes,
  type SentencePieceModel,
  serializeSentencePiece,
} from "./sentencepiece.ts";
import { readSpecialTokens } from "./special-tokens.ts";
import { addedTokens, type GgufTokenizer, postProcessor, type Token } from "./tokenizer-json.ts";
import { jsonTokens, namedSpecials, tokenTypes, type Vocabulary } from "./vocabulary.ts";
import type { Written } from "./written.ts";

const path = "tokenizer.json";

/** The first step of one type in a normalizer or pre-tokenizer, also inside sequences. */
function stepWithin(json: JsonValue | undefined, list: string, type: string): JsonObject | undefined {
  if (!isJsonObject(json)) return undefined;
  if (textField(json, "type") === type) return json;
  for (const inner of arrayField(json, list) ?? []) {
    const found = stepWithin(inner, list, type);
    if (found !== undefined) return found;
  }
  return undefined;
}

function bytesOfBase64(text: string): number[] {
  try {
    return Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch (cause) {
    throw new FormatError(`The precompiled_charsmap of ${path} is not base64.`, { path, cause });
  }
}

/** How a tokenizer.json changes spaces and characters before it looks for pieces. */
function textRules(json: JsonObject | undefined, cleansUp: boolean) {
  const normalizer = field(json, "normalizer");
  const pre = field(json, "pre_tokenizer");
  const metaspace = stepWithin(pre, "pretokenizers", "Metaspace");
  const charsmap = textField(stepWithin(normalizer, "normalizers", "Precompiled"), "precompiled_charsmap");
  const collapses =
    typeWithin(pre, "pretokenizers", ["WhitespaceSplit"]) !== undefined ||
    typeWithin(normalizer, "normalizers", ["Replace", "Strip"]) !== undefined;
  return {
    prefix: metaspace !== undefined && textField(metaspace, "prepend_scheme") !== "never",
    // the converter uses this setting of tokenizer_config.json, although it concerns decoding
    removesSpaces: cleansUp || collapses,
    charsmap: charsmap === undefined ? [] : bytesOfBase64(charsmap),
  };
}

function spaceKeys(rules: {
  readonly prefix: boolean;
  readonly removesSpaces: boolean;
  readonly charsmap: readonly number[];
}): {
  readonly first: readonly (readonly [string, MetadataValue])[];
  readonly last: readonly (readonly [string, MetadataValue])[];
} {
  return {
    first: [["tokenizer.ggml.add_space_prefix", bool(rules.prefix)]],
    last: [
      ["tokenizer.ggml.remove_extra_whitespaces", bool(rules.removesSpaces)],
      ...(rules.charsmap.length === 0
        ? []
        : [["tokenizer.ggml.precompiled_charsmap", numberArray("u8", rules.charsmap)] as const]),
    ],
  };
}

/** A tokenizer.json whose model is Unigram. */
export function writeUnigram(files: HfFiles, config: Config): Written {
  const model = objectField(files.tokenizerJson, "model");
  const pieces = (arrayField(model, "vocab") ?? []).map((piece) => {
    const [text, score] = isJsonArray(piece) ? piece : [];
    if (typeof text !== "string" || typeof score !== "number") {
      throw new FormatError(`${path} has a piece that is not a pair of text and score.`, { path });
    }
    return { text, score };
  });
  if (pieces.length === 0) throw new FormatError(`${path} has no pieces.`, { path });
  const size = Math.max(config.count("vocab_size") ?? 0, pieces.length);
  if (size > pieces.length + 1_000_000) {
    throw new FormatError(`The config.json says ${size} tokens; ${path} has ${pieces.length}.`, {
      path: "config.json",
    });
  }
  const added = new Map(jsonTokens(files).map((token) => [token.id, token]));
  const specials = namedSpecials(files);
  const unknown = numberField(model, "unk_id");
  const byteFallback = flagField(model, "byte_fallback") === true;
  const typeOf = (text: string, id: number): number => {
    if (id === unknown) return tokenTypes.unknown;
    if (specials.has(text)) return tokenTypes.control;
    if (byteFallback && /^<0x[0-9A-Fa-f]{2}>$/.test(text)) return tokenTypes.byte;
    return added.has(id) ? tokenTypes.userDefined : tokenTypes.normal;
  };
  const all = Array.from({ length: size }, (_, id) => pieces[id] ?? { text: `[PAD${id}]`, score: -10000 });
  // tokens beyond the model's own vocabulary were added
  for (const { id, text } of added.values())
    if (id < size && id >= pieces.length) all[id] = { text, score: 0 };
  const vocabulary: Vocabulary = {
    tokens: all.map(({ text }) => text),
    scores: all.map(({ score }) => score),
    types: all.map(({ text }, id) =>
      pieces[id] === undefined && !added.has(id) ? tokenTypes.unused : typeOf(text, id),
    ),
  };
  const special = readSpecialTokens(files, size);
  // llama.cpp adds an end token for such a vocabulary unless the key is false
  for (const role of ["bos", "eos"]) if (!special.added.has(role)) special.added.set(role, false);
  const cleansUp = flagField(files.tokenizerConfig, "clean_up_tokenization_spaces") === true;
  return {
    model: "t5",
    pre: "default",
    vocabulary,
    special,
    between: spaceKeys(textRules(files.tokenizerJson, cleansUp)),
    ...(byteFallback
      ? {
          findings: [
            note(
              "tokenizer-differs",
              "In llama.cpp, characters outside this unigram vocabulary become the unknown token, not their bytes.",
            ),
          ],
        }
      : {}),
  };
}

interface UnigramPiece {
  readonly text: string;
  readonly score: number;
  readonly type: number;
}

/** The pieces of a unigram model, padded to the model's size. */
function paddedPieces(model: SentencePieceModel, name: string, config: Config): UnigramPiece[] {
  if (model.modelType !== 1) throw new FormatError(`${name} is not a unigram model.`, { path: name });
  const size = Math.max(config.count("vocab_size") ?? 0, model.pieces.length);
  if (size > model.pieces.length + 1_000_000) {
    throw new FormatError(`The config.json says ${size} tokens; ${name} has ${model.pieces.length}.`, {
      path: "config.json",
    });
  }
  return Array.from({ length: size }, (_, id) => {
    const piece = model.pieces[id];
    if (piece === undefined) return { text: `[PAD${id}]`, score: -10000, type: tokenTypes.unused };
    return { ...piece, type: piece.type === pieceTypes.userDefined ? tokenTypes.normal : piece.type };
  });
}

function writtenPieces(files: HfFiles, model: SentencePieceModel, pieces: readonly UnigramPiece[]): Written {
  return {
    model: "t5",
    pre: "default",
    vocabulary: {
      tokens: pieces.map(({ text }) => text),
      scores: pieces.map(({ score }) => score),
      types: pieces.map(({ type }) => type),
    },
    special: readSpecialTokens(files, pieces.length),
    between: spaceKeys({
      prefix: model.addDummyPrefix,
      removesSpaces: model.removeExtraWhitespaces,
      charsmap: [...model.charsmap],
    }),
  };
}

/** T5's unigram model, which older checkpoints name spiece.model; undefined where there is none (llama.cpp, conversion/t5.py). */
export function t5Model(
  files: HfFiles,
): { readonly name: string; readonly model: SentencePieceModel } | undefined {
  const name = files.tokenizerModel !== undefined ? "tokenizer.model" : "spiece.model";
  const bytes = files.tokenizerModel ?? files.spiece;
  if (bytes === undefined) return undefined;
  const model = parseSentencePiece(bytes, name);
  return model.modelType === 1 ? { name, model } : undefined;
}

export function writeT5SentencePiece(files: HfFiles, config: Config): Written {
  const found = t5Model(files);
  if (found === undefined) throw new FormatError("There is no unigram model.", { path: "spiece.model" });
  const pieces = paddedPieces(found.model, found.name, config);
  for (const [text, id] of Object.entries(files.addedTokens ?? {})) {
    if (typeof id === "number" && id < pieces.length)
      pieces[id] = { text, score: -1000, type: tokenTypes.userDefined };
  }
  return writtenPieces(files, found.model, pieces);
}

/** XLM-RoBERTa's sentencepiece.bpe.model: the pieces from the fourth on, behind fairseq's four special ones. */
export function writeXlmSentencePiece(files: HfFiles, config: Config): Written {
  const name = "sentencepiece.bpe.model";
  const model = parseSentencePiece(files.sentencePieceBpe ?? new Uint8Array(0), name);
  const { control, unknown } = tokenTypes;
  const first = [
    { text: "<s>", score: 0, type: control },
    { text: "<pad>", score: 0, type: control },
    { text: "</s>", score: 0, type: control },
    { text: "<unk>", score: 0, type: unknown },
  ];
  return writtenPieces(files, model, [...first, ...paddedPieces(model, name, config).slice(3, -1)]);
}

/** spiece.model with every piece of a unigram vocabulary. */
export function unigramModel({ tokens, ids, metadata }: GgufTokenizer): Uint8Array {
  const end = tokens.findLastIndex(({ type }) => type !== tokenTypes.unused) + 1;
  return serializeSentencePiece(
    tokens.slice(0, end),
    { unknown: unknownId(tokens, ids), bos: ids.get("bos"), eos: ids.get("eos"), pad: ids.get("pad") },
    {
      modelType: 1,
      addDummyPrefix: boolOf(metadata.get("tokenizer.ggml.add_space_prefix")) ?? true,
      removeExtraWhitespaces: boolOf(metadata.get("tokenizer.ggml.remove_extra_whitespaces")) ?? false,
      charsmap: Uint8Array.from(numbersOf(metadata.get("tokenizer.ggml.precompiled_charsmap")) ?? []),
    },
  );
}

function unknownId(tokens: readonly Token[], ids: ReadonlyMap<string, number>): number {
  const found = tokens.findIndex(({ type }) => type === tokenTypes.unknown);
  return ids.get("unk") ?? Math.max(found, 0);
}

/** llama.cpp ends a text of such a vocabulary with the end token, and begins none, unless a key says otherwise. */
function addedByDefault(gguf: GgufTokenizer): GgufTokenizer {
  const added = new Map(gguf.added);
  if (!added.has("eos")) added.set("eos", true);
  return { ...gguf, added };
}

/** tokenizer.json of a unigram vocabulary. */
export function unigramJson(gguf: GgufTokenizer): JsonObject {
  const { tokens, ids, metadata } = gguf;
  const charsmap = numbersOf(metadata.get("tokenizer.ggml.precompiled_charsmap")) ?? [];
  const removesSpaces = boolOf(metadata.get("tokenizer.ggml.remove_extra_whitespaces")) ?? false;
  const prefix = boolOf(metadata.get("tokenizer.ggml.add_space_prefix")) ?? true;
  const metaspace: JsonObject = {
    type: "Metaspace",
    replacement: "▁",
    prepend_scheme: prefix ? "always" : "never",
    // a piece may then hold spaces
    ...(removesSpaces ? {} : { split: false }),
  };
  const base64 = btoa(charsmap.map((byte) => String.fromCharCode(byte)).join(""));
  const end = tokens.findLastIndex(({ type }) => type !== tokenTypes.unused) + 1;
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(gguf),
    normalizer: charsmap.length === 0 ? null : { type: "Precompiled", precompiled_charsmap: base64 },
    pre_tokenizer: removesSpaces
      ? { type: "Sequence", pretokenizers: [{ type: "WhitespaceSplit" }, metaspace] }
      : metaspace,
    post_processor: postProcessor(addedByDefault(gguf), false),
    decoder: metaspace,
    model: {
      type: "Unigram",
      unk_id: unknownId(tokens, ids),
      vocab: tokens.slice(0, end).map(({ text, score }) => [text, score]),
      byte_fallback: tokens.some(({ type }) => type === tokenTypes.byte),
    },
  };
}
