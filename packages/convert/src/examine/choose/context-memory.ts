/** What the context of a model takes beside its weights, in bytes. */
import { type BlockCodec, F16, UsageError } from "@requant/core";
import { bounded, didYouMean } from "@requant/core/text";
import { Q4_0, Q8_0 } from "@requant/gguf";
import type { ContextCache } from "../context-cache.ts";

/** The types that llama.cpp can store keys and values in, of those that people use. */
const CACHE_TYPES: readonly BlockCodec[] = [F16, Q8_0, Q4_0];

/** The types in which keys and values can be stored, by the names that people write: "f16", "q8_0", "q4_0". */
export const cacheTypeNames: readonly string[] = CACHE_TYPES.map(({ name }) => name.toLowerCase());

/** A context, and what its keys and values are stored in. */
export interface ContextMemory {
  readonly tokens: number;
  readonly kv: string;
  readonly bytesPerToken: number;
  readonly byteLength: number;
  /** "model": from its own settings; "estimate": from the number of parameters alone. */
  readonly from: "model" | "estimate";
}

/**
 * The memory of a context of so many tokens: by what the model says of its key-value cache, or else estimated from its number
 * of parameters.
 */
export function contextMemory(
  { cache, parameters }: { readonly cache?: ContextCache | undefined; readonly parameters: number },
  tokens: number,
  kv: string = cacheTypeNames[0] ?? "",
): ContextMemory {
  const { blockByteLength, blockSize } = cacheType(kv);
  const elementCount = cache?.elementCount ?? estimatedCacheElements(parameters);
  const bytesPerToken = (elementCount * blockByteLength) / blockSize;
  return {
    tokens,
    kv: kv.toLowerCase(),
    bytesPerToken,
    byteLength: Math.ceil(tokens * bytesPerToken),
    from: cache === undefined ? "estimate" : "model",
  };
}

function cacheType(text: string): BlockCodec {
  const found = CACHE_TYPES[cacheTypeNames.indexOf(text.toLowerCase())];
  if (found !== undefined) return found;
  throw new UsageError(
    `"${bounded(text, 40)}" is not a type of a key-value cache.${didYouMean(text, cacheTypeNames)}`,
    { hint: `Choose one of ${cacheTypeNames.join(", ")}.` },
  );
}

/** The longest context that is asked about. */
const MOST_TOKENS = 2 ** 31;

/** `32768`, `32k` (32 × 1024) or `1M`. */
export function parseTokens(text: string): number {
  const [, digits = "", unit = ""] = /^(\d{1,10})([km]?)$/i.exec(text.trim()) ?? [];
  const tokens = Number(digits) * ({ k: 1024, m: 1024 ** 2 }[unit.toLowerCase()] ?? 1);
  if (digits !== "" && tokens > 0 && tokens <= MOST_TOKENS) return tokens;
  throw new UsageError(`"${bounded(text, 40)}" is not a number of tokens.`, {
    hint: "Write 8192 or 32k, for example; k is 1024.",
  });
}

/**
 * Numbers for each token by the size of the model: layers × key-value heads × 2 × head length in the config.json of Llama 3.2
 * 1B and 3B, Llama 3.1 8B, Qwen2.5 14B and 32B, and Llama 3.1 70B and 405B.
 */
const KNOWN: readonly (readonly [parameters: number, elementCount: number])[] = [
  [1.24e9, 16 * 8 * 2 * 64],
  [3.21e9, 28 * 8 * 2 * 128],
  [8.03e9, 32 * 8 * 2 * 128],
  [14.8e9, 48 * 8 * 2 * 128],
  [32.8e9, 64 * 8 * 2 * 128],
  [70.6e9, 80 * 8 * 2 * 128],
  [405.9e9, 126 * 8 * 2 * 128],
];

/** Numbers for each token of a model of so many parameters, if it is like those; between two of them in proportion. */
function estimatedCacheElements(parameters: number): number {
  const [first] = KNOWN;
  const last = KNOWN.at(-1);
  if (first === undefined || last === undefined) return 0;
  if (parameters <= first[0]) return (first[1] * parameters) / first[0];
  const above = KNOWN.findIndex(([size]) => size >= parameters);
  const [low, high] = [KNOWN[above - 1], KNOWN[above]];
  if (low === undefined || high === undefined) return last[1];
  const share = Math.log(parameters / low[0]) / Math.log(high[0] / low[0]);
  return Math.round(low[1] * (high[1] / low[1]) ** share);
}
