/**
 * Vocabularies that list byte strings by rank and no merges: Qwen 1's qwen.tiktoken (openai/tiktoken, load.py) and
 * Mistral's tekken.json (mistral-common, tekken.py). Two tokens merge into a third when the rank of the third is the
 * lowest of all possible merges.
 */
import { FormatError } from "@requant/core";
import { quoted } from "@requant/core/text";
import { arrayField, isJsonObject, type JsonObject, numberField, objectField, textField } from "../json.ts";
import { spellBytes } from "./byte-spelling.ts";

/** Byte strings (one character per byte); the rank is the index. */
export type RankedTokens = readonly string[];

// the largest published one has 200,000
const maxTokens = 4_000_000;

function bytesOf(base64: string, path: string): string {
  try {
    return atob(base64);
  } catch (cause) {
    throw new FormatError(`${path} has a token that is not base64: ${quoted(base64)}.`, {
      path,
      cause,
    });
  }
}

function inOrder(byRank: ReadonlyMap<number, string>, path: string): RankedTokens {
  if (byRank.size > maxTokens)
    throw new FormatError(`${path} has ${byRank.size} tokens; at most ${maxTokens} are allowed.`, { path });
  const tokens = Array.from({ length: byRank.size }, (_, rank) => byRank.get(rank));
  const missing = tokens.indexOf(undefined);
  if (missing >= 0) throw new FormatError(`${path} has no token of rank ${missing}.`, { path });
  if (new Set(tokens).size !== tokens.length) throw new FormatError(`${path} has a token twice.`, { path });
  return tokens.map((token) => token ?? "");
}

/** A tiktoken file: a line per token, its bytes in base64 and its rank. */
export function parseTiktoken(text: string, path: string): RankedTokens {
  const byRank = new Map<number, string>();
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const [token = "", rank = ""] = line.trim().split(/\s+/);
    if (!/^\d{1,9}$/.test(rank))
      throw new FormatError(
        `${path} has the line ${quoted(line)}; a token in base64 and its rank were expected.`,
        { path },
      );
    byRank.set(Number(rank), bytesOf(token, path));
  }
  return inOrder(byRank, path);
}

export interface Tekken {
  readonly tokens: RankedTokens;
  /** Special tokens, which come before the others. */
  readonly specials: readonly string[];
}

/** The special tokens of versions whose files do not list them (mistral-common, tekken.py, `DEPRECATED_SPECIAL_TOKENS`). */
const impliedSpecials: readonly string[] = [
  "<unk>",
  "<s>",
  "</s>",
  "[INST]",
  "[/INST]",
  "[AVAILABLE_TOOLS]",
  "[/AVAILABLE_TOOLS]",
  "[TOOL_RESULTS]",
  "[/TOOL_RESULTS]",
  "[TOOL_CALLS]",
  "[IMG]",
  "<pad>",
  "[IMG_BREAK]",
  "[IMG_END]",
  "[PREFIX]",
  "[MIDDLE]",
  "[SUFFIX]",
  "[SYSTEM_PROMPT]",
  "[/SYSTEM_PROMPT]",
  "[TOOL_CONTENT]",
];

/** tekken.json: the first `default_vocab_size` of its tokens, special tokens and their placeholders first. */
export function parseTekken(json: JsonObject): Tekken {
  const path = "tekken.json";
  const config = objectField(json, "config");
  const size = numberField(config, "default_vocab_size") ?? -1;
  const specialCount = numberField(config, "default_num_special_tokens") ?? -1;
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0 && value <= maxTokens;
  if (!isCount(size) || !isCount(specialCount) || size < specialCount) {
    throw new FormatError(`${path} says ${size} tokens, of which ${specialCount} are special.`, { path });
  }
  const listed = arrayField(json, "special_tokens");
  const names =
    listed?.map((token) => (isJsonObject(token) ? textField(token, "token_str") : undefined) ?? "") ??
    impliedSpecials;
  if (names.length > specialCount) {
    throw new FormatError(
      `${path} lists ${names.length} special tokens, but says that there are ${specialCount}.`,
      { path },
    );
  }
  const specials = Array.from({ length: specialCount }, (_, id) => names[id] ?? `<SPECIAL_${id}>`);
  const byRank = new Map<number, string>();
  for (const token of arrayField(json, "vocab") ?? []) {
    const rank = isJsonObject(token) ? numberField(token, "rank") : undefined;
    const bytes = isJsonObject(token) ? textField(token, "token_bytes") : undefined;
    if (rank === undefined || bytes === undefined)
      throw new FormatError(`${path} has a token without rank or bytes.`, { path });
    if (rank < size - specialCount) byRank.set(rank, bytesOf(bytes, path));
  }
  const tokens = inOrder(byRank, path);
  if (tokens.length !== size - specialCount)
    throw new FormatError(`${path} has ${tokens.length} tokens; ${size - specialCount} were expected.`, {
      path,
    });
  return { tokens, specials };
}

function rankOf(tokens: RankedTokens): ReadonlyMap<string, number> {
  return new Map(tokens.map((token, rank) => [token, rank]));
}

const asMerge = (left: string, right: string): string => `${spellBytes(left)} ${spellBytes(right)}`;

/** The two tokens that a token is made of when lower ranks are merged first. */
function lastMerge(token: string, rank: number, ranks: ReadonlyMap<string, number>): readonly string[] {
  let parts = [...token];
  while (parts.length > 2) {
    let best = -1;
    let bestRank = rank;
    for (let index = 0; index + 1 < parts.length; index++) {
      const made = ranks.get(`${parts[index]}${parts[index + 1]}`);
      if (made !== undefined && made < bestRank) {
        best = index;
        bestRank = made;
      }
    }
    if (best < 0) break;
    parts = [...parts.slice(0, best), `${parts[best]}${parts[best + 1]}`, ...parts.slice(best + 2)];
  }
  return parts;
}

/** The parts of each token of several bytes that are left when only lower ranks are merged. */
function replayed(
  tokens: RankedTokens,
): readonly { readonly rank: number; readonly parts: readonly string[] }[] {
  const ranks = rankOf(tokens);
  return tokens.flatMap((token, rank) =>
    token.length < 2 ? [] : [{ rank, parts: lastMerge(token, rank, ranks) }],
  );
}

/**
 * One merge per token: the two tokens that make it when only lower ranks are merged (llama.cpp, conversion/qwen.py,
 * `bpe`).
 * @throws FormatError for a token that no two others make.
 */
export function mergesByReplay(tokens: RankedTokens): readonly string[] {
  return replayed(tokens).map(({ rank, parts }) => {
    const [left, right, ...more] = parts;
    if (left === undefined || right === undefined || more.length > 0) {
      throw new FormatError(`In qwen.tiktoken, no two tokens make the token of rank ${rank}.`, {
        path: "qwen.tiktoken",
      });
    }
    return asMerge(left, right);
  });
}

/** The same without the tokens that no two others make (llama.cpp, conversion/hunyuan.py and deepseek.py). */
export function mergesOfPairs(tokens: RankedTokens): readonly string[] {
  return replayed(tokens).flatMap(({ parts: [left = "", right = "", ...more] }) =>
    more.length > 0 ? [] : [asMerge(left, right)],
  );
}

/**
 * Every pair of tokens that makes a token, in the order of ranks (gguf-py, vocab.py, `extract_vocab_merges_from_model`).
 * @throws FormatError for a token that no two others make.
 */
export function mergesOfAllPairs(tokens: RankedTokens): readonly string[] {
  const ranks = rankOf(tokens);
  // the first 256 are the bytes
  return tokens.slice(256).flatMap((token, index) => {
    const pairs: { readonly left: number; readonly right: number }[] = [];
    for (let cut = 1; cut < token.length; cut++) {
      const left = ranks.get(token.slice(0, cut));
      const right = ranks.get(token.slice(cut));
      if (left !== undefined && right !== undefined) pairs.push({ left, right });
    }
    if (pairs.length === 0) {
      throw new FormatError(`In tekken.json, no two tokens make the token of rank ${index + 256}.`, {
        path: "tekken.json",
      });
    }
    return pairs
      .sort((a, b) => a.left - b.left || a.right - b.right)
      .map(({ left, right }) => asMerge(tokens[left] ?? "", tokens[right] ?? ""));
  });
}
