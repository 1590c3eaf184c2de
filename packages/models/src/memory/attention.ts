/** Attention as llama.cpp computes it with flash attention (src/llama-graph.cpp, build_attn, build_attn_mha). */
import { norm } from "./blocks.ts";
import {
  type ComputeGraph,
  compute,
  type GraphTensor,
  input,
  part,
  rewrite,
  store,
  view,
} from "./compute-graph.ts";

export interface AttentionSizes {
  readonly width: number;
  readonly tokens: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly keyLength: number;
  readonly valueLength: number;
  /** Queries, keys and values are one matrix. */
  readonly fused: boolean;
  /** A gate as long as the queries, in the same matrix. */
  readonly gated: boolean;
  /** Queries and keys are normed. */
  readonly normed: boolean;
  /** Queries and keys are turned by their positions. */
  readonly rotated: boolean;
}

/** The inputs of the layers that share a cache. */
export interface CacheInputs {
  readonly mask: GraphTensor;
  /** Where the keys and values of the batch go. */
  readonly keyCells: GraphTensor;
  readonly valueCells: GraphTensor;
  /** Whether keys are computed before values: where some layers have windows. */
  readonly keysFirst: boolean;
  /** Turns keys and values so that their quantization loses less; only for quantized caches. */
  readonly keyTurn: GraphTensor | undefined;
  readonly valueTurn: GraphTensor | undefined;
}

/** @param lengths of the heads in this cache; undefined where layers differ */
export function cacheInputs(
  cells: number,
  tokens: number,
  { isQuantized, keysFirst }: { readonly isQuantized: boolean; readonly keysFirst: boolean },
  lengths: { readonly key: number | undefined; readonly value: number | undefined },
): CacheInputs {
  const turned = (length: number | undefined): length is number =>
    isQuantized && length !== undefined && length > 0 && length % TURN === 0;
  const keyTurn = turned(lengths.key) ? largestTurn(lengths.key) : undefined;
  return {
    mask: input([cells, tokens], "f16"),
    keyCells: input([tokens], "i64"),
    valueCells: input([tokens], "i64"),
    keysFirst,
    keyTurn: keyTurn === undefined ? undefined : input([keyTurn, keyTurn]),
    valueTurn: turned(lengths.value) ? input([TURN, TURN]) : undefined,
  };
}

/** The smallest matrix that turns (src/llama-kv-cache.cpp, build_input_k_rot). */
const TURN = 64;

/** The largest power of two times that which divides the length. */
function largestTurn(length: number): number {
  let turn = TURN;
  while (length % (2 * turn) === 0) turn *= 2;
  return turn;
}

function turn(source: GraphTensor, by: GraphTensor | undefined, sizes: readonly number[]): GraphTensor {
  if (by === undefined) return source;
  const flat = source.layout === "part" ? compute(sizes, [source]) : view(source, sizes);
  return view(compute(sizes, [by, flat]), sizes);
}

/** Everything up to the output matrix. */
export function attention(
  graph: ComputeGraph,
  source: GraphTensor,
  sizes: AttentionSizes,
  cache: CacheInputs,
  positions: GraphTensor,
): GraphTensor {
  const { width, tokens, heads, keyHeads, keyLength, valueLength, fused, gated, normed, rotated } = sizes;
  const query: HeadSizes = [keyLength, heads, tokens];
  const key: HeadSizes = [keyLength, keyHeads, tokens];
  const value: HeadSizes = [valueLength, keyHeads, tokens];
  const both = fused
    ? compute([keyLength * heads + (keyLength + valueLength) * keyHeads, tokens], [source])
    : undefined;
  const project = (shape: readonly number[]): GraphTensor =>
    both === undefined ? view(compute(shape, [source]), shape) : part(both);
  const doubled = gated ? compute([2 * keyLength, heads, tokens], [source]) : undefined;
  const place = (shape: readonly number[], projected: GraphTensor): GraphTensor => {
    const own = normed ? rewrite(shape, projected) : projected;
    return rotated ? rewrite(shape, own, positions) : own;
  };
  const q = place(query, doubled === undefined ? project(query) : part(doubled));
  const k = place(key, project(key));
  const v = project(value);
  const gate = doubled === undefined ? undefined : compute([keyLength * heads, tokens], [part(doubled)]);
  const attended = attend(graph, { q, k, v }, { query, key, value }, cache);
  const open =
    gate === undefined
      ? attended
      : rewrite([valueLength * heads, tokens], attended, rewrite([valueLength * heads, tokens], gate));
  return compute([width, tokens], [open]);
}

type HeadSizes = readonly [length: number, heads: number, tokens: number];

/** Keys and values into the cache, and the weighted sums of the values. */
function attend(
  graph: ComputeGraph,
  { q, k, v }: Readonly<Record<"q" | "k" | "v", GraphTensor>>,
  { query, key, value }: Readonly<Record<"query" | "key" | "value", HeadSizes>>,
  cache: CacheInputs,
): GraphTensor {
  const [turnedQ, turnedK, turnedV] = [
    turn(q, cache.keyTurn, query),
    turn(k, cache.keyTurn, key),
    turn(v, cache.valueTurn, value),
  ];
  const rest = cache.keysFirst ? [turnedK, turnedV] : [turnedV, turnedK];
  for (const one of [turnedQ, ...rest]) graph.expand(one);
  graph.expand(store(part(turnedK), cache.keyCells));
  graph.expand(store(part(turnedV), cache.valueCells));
  const [, heads, tokens] = query;
  const flat = [value[0] * heads, tokens];
  const scores = compute(flat, [part(part(turnedQ)), cache.mask]);
  graph.expand(scores);
  return turn(view(scores, flat), cache.valueTurn, flat);
}

/** Keys and values of all heads out of a compressed one (src/models/minicpm3.cpp). */
export function expandedAttention(
  graph: ComputeGraph,
  source: GraphTensor,
  { width, tokens, heads, queryRank, keyRank, turned, keyLength, valueLength }: LatentSizes,
  cache: CacheInputs,
  positions: GraphTensor,
): GraphTensor {
  const ranked = norm("rms", [queryRank ?? 0, tokens], compute([queryRank ?? 0, tokens], [source]));
  const query: HeadSizes = [keyLength, heads, tokens];
  const value: HeadSizes = [valueLength, heads, tokens];
  const projected = view(compute(query, [ranked]), query);
  const compressed = compute([keyRank + turned, tokens], [source]);
  const latent = norm("rms", [keyRank, tokens], part(compressed));
  const unturned = keyLength - turned;
  const both = compute([(unturned + valueLength) * heads, tokens], [latent]);
  const v = compute(value, [part(both)]);
  const q = rewrite(query, projected, positions);
  const turnedKey = compute([turned, 1, tokens], [part(compressed), positions]);
  const k = compute(query, [part(both), compute([turned, heads, tokens], [turnedKey])]);
  const attended = attend(graph, { q, k, v }, { query, key: query, value }, cache);
  return compute([width, tokens], [attended]);
}

export interface LatentSizes {
  readonly width: number;
  readonly tokens: number;
  readonly heads: number;
  /** Of queries; undefined where they have no rank. */
  readonly queryRank: number | undefined;
  readonly keyRank: number;
  /** Turned values of a head, and all of them. */
  readonly turned: number;
  readonly keyLength: number;
  readonly valueLength: number;
}

/** Latent attention: one compressed key for all heads (src/models/deepseek2.cpp). */
export function latentAttention(
  graph: ComputeGraph,
  source: GraphTensor,
  { width, tokens, heads, queryRank, keyRank, turned, keyLength, valueLength }: LatentSizes,
  { mask, keyCells }: CacheInputs,
  positions: GraphTensor,
): GraphTensor {
  const ranked =
    queryRank === undefined
      ? source
      : norm("rms", [queryRank, tokens], compute([queryRank, tokens], [source]));
  const q = view(compute([keyLength, heads, tokens], [ranked]), [keyLength, heads, tokens]);
  const compressed = compute([keyRank + turned, tokens], [source]);
  const turnedKey = compute([turned, 1, tokens], [part(compressed), positions]);
  const latent = norm("rms", [keyRank, tokens], part(compressed));
  const turnedQuery = compute([turned, heads, tokens], [part(q), positions]);
  const absorbed = compute([keyRank, tokens, heads], [part(part(q))]);
  const query = compute([keyRank + turned, heads, tokens], [part(absorbed), turnedQuery]);
  const shown = view(latent, [keyRank, 1, tokens]);
  const key = compute([keyRank + turned, 1, tokens], [shown, turnedKey]);
  for (const one of [query, shown, key]) graph.expand(one);
  graph.expand(store(part(key), keyCells));
  const scores = compute([keyRank, heads, tokens], [part(part(query)), mask]);
  const values = compute([valueLength, tokens, heads], [part(scores)]);
  const joined = compute([valueLength * heads, tokens], [part(values)]);
  const flat = graph.expand(view(joined, [valueLength * heads, tokens]));
  return compute([width, tokens], [flat]);
}
