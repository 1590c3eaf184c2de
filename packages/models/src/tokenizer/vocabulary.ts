/**
 * Tokens, types, scores and merges from a checkpoint's tokenizer files (llama.cpp, conversion/base.py; gguf-py,
 * vocab.py).
 */

import { FormatError, largest } from "@requant/core";
import { quoted } from "@requant/core/text";
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
  objectField,
  textField,
} from "../json.ts";
import type { TokenizerRules } from "./rules.ts";
import { type Piece, pieceTypes } from "./sentencepiece.ts";
import { tokenRoles, tokenText } from "./special-tokens.ts";

/** `tokenizer.ggml.token_type`. */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface Vocabulary {
  readonly tokens: string[];
  readonly types: number[];
  readonly scores?: number[];
  readonly merges?: readonly string[];
}

/** Tokens that count as special although no file marks them so (llama.cpp's list, from Gemma, Command R, DeepSeek). */
function looksSpecial(text: string): boolean {
  return (
    ["<pad>", "<mask>", "<2mass>", "[@BOS@]"].includes(text) ||
    (text.startsWith("<|") && text.endsWith("|>")) ||
    (text.startsWith("<｜") && text.endsWith("｜>")) ||
    (text.startsWith("<unused") && text.endsWith(">"))
  );
}

interface AddedToken {
  readonly id: number;
  readonly text: string;
  readonly special: boolean;
}

export function decoderTokens(files: HfFiles): readonly AddedToken[] {
  const decoder = objectField(files.tokenizerConfig, "added_tokens_decoder");
  return Object.entries(decoder ?? {}).flatMap(([key, value]) => {
    const id = Number(key);
    const text = isJsonObject(value) ? textField(value, "content") : undefined;
    if (!Number.isSafeInteger(id) || id < 0 || text === undefined || !isJsonObject(value)) {
      throw new FormatError(
        `The added_tokens_decoder of tokenizer_config.json has the entry ${quoted(key)}; an id with a token was expected.`,
        {
          path: "tokenizer_config.json",
        },
      );
    }
    return [{ id, text, special: flagField(value, "special") === true }];
  });
}

export function jsonTokens(files: HfFiles): readonly AddedToken[] {
  return (arrayField(files.tokenizerJson, "added_tokens") ?? []).flatMap((token) => {
    const id = isJsonObject(token) ? field(token, "id") : undefined;
    const text = isJsonObject(token) ? textField(token, "content") : undefined;
    if (typeof id !== "number" || text === undefined || !isJsonObject(token)) return [];
    return [{ id, text, special: flagField(token, "special") === true }];
  });
}

/** The two parts of a merge; the older spelling is one string with a space between. */
function mergePair(merge: JsonValue): readonly [string, string] {
  if (typeof merge === "string") {
    const space = merge.indexOf(" ", 1);
    if (space > 0) return [merge.slice(0, space), merge.slice(space + 1)];
  } else if (isJsonArray(merge)) {
    const [left, right] = merge;
    if (typeof left === "string" && typeof right === "string") return [left, right];
  }
  throw new FormatError("The tokenizer.json has a merge that is not a pair of strings.", {
    path: "tokenizer.json",
  });
}

function mergesOf(model: JsonObject | undefined): readonly JsonValue[] {
  return arrayField(model, "merges") ?? [];
}

/** Merges as GGUF spells them: a space between the two parts, and a space inside a part as Ġ. */
export function mergeStrings(model: JsonObject | undefined): readonly string[] {
  return mergesOf(model).map((merge) => {
    // the older spelling is GGUF's own, unless a part has a space
    if (typeof merge === "string" && hasOneInnerSpace(merge)) return merge;
    const [left, right] = mergePair(merge);
    return `${left.replaceAll(" ", "Ġ")} ${right.replaceAll(" ", "Ġ")}`;
  });
}

function hasOneInnerSpace(text: string): boolean {
  const space = text.indexOf(" ");
  return space > 0 && text.indexOf(" ", space + 1) < 0;
}

interface PiecesSource {
  readonly pieces: readonly Piece[];
  /** The file that the pieces are from. */
  readonly path: string;
  /** Tokens that were added to the pieces: they replace a piece of their id. */
  readonly added: readonly AddedToken[];
}

/** Scores of added tokens. */
const addedScore = -1000;

/** The token, score and type of an added token, by the way in which the class reads them (`TokenizerRules.addedTokens`). */
function readAdded(
  { text, special }: AddedToken,
  manner: TokenizerRules["addedTokens"],
  unknown: string | undefined,
): readonly [text: string, score: number, type: number] {
  const { control, userDefined, unknown: unknownType } = tokenTypes;
  if (manner === "redefined") {
    if (!special) return [text, -10000, userDefined];
    return [text, 0, text === unknown ? unknownType : control];
  }
  if (special || (manner === undefined && looksSpecial(text))) return [text, addedScore, control];
  return [manner === undefined ? text.replaceAll("▁", " ") : text, addedScore, userDefined];
}

/** The tokens of SentencePiece pieces. */
export function piecesVocabulary(
  files: HfFiles,
  { pieces, path, added }: PiecesSource,
  config: Config,
  manner: TokenizerRules["addedTokens"],
): Vocabulary {
  const size = config.count("vocab_size_per_layer_input", "vocab_size") || pieces.length;
  if (size > pieces.length + 1_000_000) {
    throw new FormatError(`The config.json says ${size} tokens; ${path} has ${pieces.length}.`, {
      path: "config.json",
    });
  }
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
  const scores = new Array<number>(size).fill(-10000);
  const types = new Array<number>(size).fill(tokenTypes.unused);
  const put = (id: number, text: string, score: number, type: number): void => {
    if (id >= size) return;
    tokens[id] = text;
    scores[id] = score;
    types[id] = type;
  };
  pieces.forEach(({ text, score, type }, id) => {
    // user-defined pieces count as normal unless tokenizer_config.json names them
    put(id, text, score, type === pieceTypes.userDefined ? tokenTypes.normal : type);
  });
  for (const [text, id] of Object.entries(manner === "redefined" ? {} : (files.addedTokens ?? {}))) {
    // a file that repeats pieces of the model, such as <s>, does not change what they are
    if (typeof id === "number" && pieces[id]?.text !== text)
      put(id, text, addedScore, tokenTypes.userDefined);
  }
  const unknown = tokenText(field(files.tokenizerConfig, "unk_token"));
  for (const token of added) {
    const [text, score, type] = readAdded(token, manner, unknown);
    put(token.id, text, score, type);
  }
  return { tokens, types, scores };
}

/** Texts that a role or list of tokenizer_config.json (or special_tokens_map.json) names. */
export function namedSpecials(files: HfFiles): ReadonlySet<string> {
  const texts = new Set<string>();
  for (const source of [files.tokenizerConfig, files.specialTokensMap]) {
    for (const role of tokenRoles) {
      const text = tokenText(field(source, `${role}_token`));
      if (text !== undefined) texts.add(text);
    }
    for (const key of ["additional_special_tokens", "extra_special_tokens"]) {
      for (const entry of arrayField(source, key) ?? []) {
        const text = tokenText(entry);
        if (text !== undefined) texts.add(text);
      }
    }
  }
  return texts;
}

interface VocabularyEntries {
  readonly texts: readonly string[];
  /** One id for each text. */
  readonly ids: readonly number[];
}

/** The model's own tokens in file order. Two arrays, not pairs: a vocabulary may have 250,000 tokens. */
export function vocabularyEntries(files: HfFiles): VocabularyEntries {
  const vocabulary = objectField(objectField(files.tokenizerJson, "model"), "vocab") ?? {};
  const texts = Object.keys(vocabulary);
  const ids = texts.map((text) => {
    const id = vocabulary[text];
    if (typeof id === "number" && Number.isSafeInteger(id) && id >= 0) return id;
    throw new FormatError(`The tokenizer.json gives the token ${quoted(text)} the id ${quoted(id)}.`, {
      path: "tokenizer.json",
    });
  });
  return { texts, ids };
}

/** Tokens of a byte-level BPE in their byte spelling; unused ids become padding. */
export function bytePairVocabulary(
  files: HfFiles,
  config: Config,
  manner?: TokenizerRules["addedTokens"],
): Vocabulary {
  const model = objectField(files.tokenizerJson, "model");
  const { texts, ids } = vocabularyEntries(files);
  const added = new Map<number, AddedToken>();
  for (const list of [jsonTokens(files), decoderTokens(files)]) {
    for (const token of list) {
      const known = added.get(token.id);
      added.set(token.id, { ...token, special: token.special || known?.special === true });
    }
  }
  const highest = largest([largest(ids) ?? -1, largest(added.keys()) ?? -1]) ?? -1;
  const size = config.count("vocab_size") ?? highest + 1;
  const listed = texts.length + added.size;
  if (highest >= size || size > listed + 1_000_000) {
    throw new FormatError(
      `The config.json says ${size} tokens; the tokenizer.json has ${listed} with ids up to ${highest}.`,
      { path: "config.json" },
    );
  }
  const byId = new Array<string | undefined>(size).fill(undefined);
  ids.forEach((id, index) => {
    byId[id] = texts[index];
  });
  for (const [id, { text }] of added) byId[id] = text;
  const vocabulary = objectField(model, "vocab");
  for (const text of namedSpecials(files)) {
    const id = field(vocabulary, text);
    if (typeof id === "number" && !added.has(id)) added.set(id, { id, text, special: true });
  }
  const types: number[] = [];
  const tokens = byId.map((text, id) => {
    const token = added.get(id);
    if (text === undefined) {
      types.push(tokenTypes.unused);
      return `[PAD${id}]`;
    }
    if (token === undefined) {
      types.push(tokenTypes.normal);
      return text;
    }
    const [own, , type] = readAdded(token, manner === "typed" ? "strict" : undefined, undefined);
    types.push(type);
    return own;
  });
  return { tokens, types, merges: mergeStrings(model) };
}

/**
 * Scores with which merging by score equals merging by rank: an earlier merge has a higher score. llama.cpp's converter
 * writes
 * -1000 for every token here, with which its tokenizer merges in no sensible order.
 */
export function scoresFromMerges(
  tokens: readonly string[],
  types: readonly number[],
  files: HfFiles,
): number[] {
  const merges = mergesOf(objectField(files.tokenizerJson, "model"));
  const ranks = new Map<string, number>();
  merges.forEach((merge, rank) => {
    const [left, right] = mergePair(merge);
    const made = left + right;
    if (!ranks.has(made)) ranks.set(made, rank);
  });
  return tokens.map((text, id) => {
    if (types[id] === tokenTypes.byte) return 0;
    if (types[id] !== tokenTypes.normal) return -1000;
    return -(ranks.get(text) ?? merges.length + id);
  });
}
