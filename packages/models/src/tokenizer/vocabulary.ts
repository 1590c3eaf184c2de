/** Tokens, types, scores and merges out of a checkpoint's tokenizer files (llama.cpp, conversion/base.py; gguf-py, vocab.py). */
import { FormatError, quoted } from "@requant/core";
import type { Config } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import {
  arrayField,
  field,
  flagField,
  isJsonArray,
  isJsonObject,
  type JsonObject,
  objectField,
  textField,
} from "../json.ts";
import { parseSentencePiece, pieceTypes } from "./sentencepiece.ts";
import { tokenRoles, tokenText } from "./special-tokens.ts";

/** `tokenizer.ggml.token_type`. */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface Vocabulary {
  readonly tokens: string[];
  readonly types: number[];
  readonly scores?: number[];
  readonly merges?: readonly string[];
}

/** Tokens that stand for something although nobody marked them special (llama.cpp's list, from Gemma, Command R, DeepSeek). */
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
      throw new FormatError(`tokenizer_config.json: added_tokens_decoder has the entry ${quoted(key)}`, {
        path: "tokenizer_config.json",
      });
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

/** Merges as pairs; the older spelling is one string with a space between. */
function mergePairsOf(model: JsonObject | undefined): readonly (readonly [string, string])[] {
  return (arrayField(model, "merges") ?? []).map((merge) => {
    const space = typeof merge === "string" ? merge.indexOf(" ", 1) : -1;
    if (typeof merge === "string" && space > 0) return [merge.slice(0, space), merge.slice(space + 1)];
    const [left, right] = isJsonArray(merge) ? merge : [];
    if (typeof left === "string" && typeof right === "string") return [left, right];
    throw new FormatError("tokenizer.json has a merge that is no pair of strings", {
      path: "tokenizer.json",
    });
  });
}

export function mergeStrings(model: JsonObject | undefined): readonly string[] {
  return mergePairsOf(model).map(
    ([left, right]) => `${left.replaceAll(" ", "Ġ")} ${right.replaceAll(" ", "Ġ")}`,
  );
}

export function sentencePieceVocabulary(
  files: HfFiles,
  model: Uint8Array,
  config: Config,
  strict: boolean,
): Vocabulary {
  const { pieces } = parseSentencePiece(model);
  const size = config.count("vocab_size_per_layer_input", "vocab_size") || pieces.length;
  if (size > pieces.length + 1_000_000) {
    throw new FormatError(`config.json says ${size} tokens, tokenizer.model has ${pieces.length}`, {
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
  for (const [text, id] of Object.entries(files.addedTokens ?? {})) {
    if (typeof id === "number") put(id, text, -1000, tokenTypes.userDefined);
  }
  const added = strict ? [...decoderTokens(files), ...jsonTokens(files)] : decoderTokens(files);
  for (const { id, text, special } of added) {
    if (special || (!strict && looksSpecial(text))) put(id, text, -1000, tokenTypes.control);
    else put(id, strict ? text : text.replaceAll("▁", " "), -1000, tokenTypes.userDefined);
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

function vocabularyEntries(files: HfFiles): readonly (readonly [string, number])[] {
  const vocabulary = objectField(objectField(files.tokenizerJson, "model"), "vocab");
  return Object.entries(vocabulary ?? {}).flatMap(([text, id]) => {
    if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0) {
      throw new FormatError(`tokenizer.json gives the token ${quoted(text)} the id ${quoted(id)}`, {
        path: "tokenizer.json",
      });
    }
    return [[text, id] as const];
  });
}

/** Tokens of a byte-level BPE in their byte spelling; ids that nothing uses become padding. */
export function bytePairVocabulary(files: HfFiles, config: Config): Vocabulary {
  const byId = new Map<number, string>();
  const byText = new Map<string, number>();
  for (const [text, id] of vocabularyEntries(files)) {
    byId.set(id, text);
    byText.set(text, id);
  }
  const added = new Map<number, AddedToken>();
  for (const token of [...jsonTokens(files), ...decoderTokens(files)]) {
    const known = added.get(token.id);
    added.set(token.id, { ...token, special: token.special || known?.special === true });
    byId.set(token.id, token.text);
  }
  for (const text of namedSpecials(files)) {
    const id = byText.get(text);
    if (id !== undefined && !added.has(id)) added.set(id, { id, text, special: true });
  }
  let highest = Number.NEGATIVE_INFINITY;
  for (const id of byId.keys()) highest = Math.max(highest, id);
  const size = config.count("vocab_size") ?? highest + 1;
  if (highest >= size || size > byId.size + 1_000_000) {
    throw new FormatError(
      `config.json says ${size} tokens, tokenizer.json has ${byId.size} with ids up to ${highest}`,
      {
        path: "config.json",
      },
    );
  }
  const tokens: string[] = [];
  const types: number[] = [];
  for (let id = 0; id < size; id++) {
    const text = byId.get(id);
    const token = added.get(id);
    if (text === undefined) {
      tokens.push(`[PAD${id}]`);
      types.push(tokenTypes.unused);
    } else if (token === undefined) {
      tokens.push(text);
      types.push(tokenTypes.normal);
    } else if (token.special || looksSpecial(token.text)) {
      tokens.push(token.text);
      types.push(tokenTypes.control);
    } else {
      tokens.push(token.text.replaceAll("▁", " "));
      types.push(tokenTypes.userDefined);
    }
  }
  return { tokens, types, merges: mergeStrings(objectField(files.tokenizerJson, "model")) };
}

/**
 * Scores that make merging by score do what merging by rank does: the sooner a piece is merged, the higher. llama.cpp's converter writes
 * -1000 for every token here, with which its tokenizer merges in no sensible order.
 */
export function scoresFromMerges(
  tokens: readonly string[],
  types: readonly number[],
  files: HfFiles,
): number[] {
  const ranks = new Map<string, number>();
  const merges = mergePairsOf(objectField(files.tokenizerJson, "model"));
  merges.forEach(([left, right], rank) => {
    if (!ranks.has(left + right)) ranks.set(left + right, rank);
  });
  return tokens.map((text, id) => {
    if (types[id] === tokenTypes.byte) return 0;
    if (types[id] !== tokenTypes.normal) return -1000;
    return -(ranks.get(text) ?? merges.length + id);
  });
}

/** A tokenizer.json that is SentencePiece's BPE: base vocabulary in order, then what was added. */
export function sentencePieceJsonVocabulary(files: HfFiles, visible: readonly string[] = []): Vocabulary {
  const base = [...vocabularyEntries(files)].sort(([, a], [, b]) => a - b);
  const specials = namedSpecials(files);
  const tokens: string[] = [];
  const types: number[] = [];
  for (const [text] of base) {
    tokens.push(text);
    if (/^<0x[0-9A-Fa-f]{2}>$/.test(text)) types.push(tokenTypes.byte);
    else types.push(specials.has(text) ? tokenTypes.control : tokenTypes.normal);
  }
  const known = new Set(base.map(([text]) => text));
  const added = [...jsonTokens(files), ...decoderTokens(files)]
    .filter(({ text, id }) => id >= base.length && !known.has(text))
    .sort((a, b) => a.id - b.id);
  for (const { text } of added) {
    if (known.has(text)) continue;
    known.add(text);
    tokens.push(text);
    types.push(specials.has(text) ? tokenTypes.control : tokenTypes.userDefined);
  }
  const shown = types.map((type, id) => (visible.includes(tokens[id] ?? "") ? tokenTypes.userDefined : type));
  return { tokens, types: shown, scores: tokens.map(() => -1000) };
}
