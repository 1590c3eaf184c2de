/** The memory of a context where only the number of parameters is known. */
import { type ContextMemory, cacheType, cacheTypeNames } from "../context-memory.ts";

/** Estimated keys and values of a context of so many tokens, for a model of so many parameters. */
export function estimatedContextMemory(
  parameters: number,
  tokens: number,
  kv: string = cacheTypeNames[0] ?? "",
): ContextMemory {
  const { blockByteLength, blockSize } = cacheType(kv);
  const bytesPerToken = (estimatedCacheElements(parameters) * blockByteLength) / blockSize;
  const cache = Math.ceil(tokens * bytesPerToken);
  return {
    tokens,
    kv: kv.toLowerCase(),
    bytesPerToken,
    cache,
    state: 0,
    output: 0,
    compute: 0,
    computeFrom: "none",
    byteLength: cache,
    from: "estimate",
  };
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
