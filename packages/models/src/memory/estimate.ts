/**
 * The memory that a model needs beside its weights in llama.cpp v0.5.0 with its defaults: flash attention, one sequence, batches
 * of 512 tokens (`n_ubatch`), windows that keep no more than they must. Each buffer is one that llama.cpp reports when it loads.
 */
import type { Metadata } from "@requant/core";
import type { DecoderDescription } from "../architectures/decoder.ts";
import { architectures } from "../architectures/index.ts";
import { type Sizes, sizesOf } from "../llama-cpp/sizes.ts";
import { decoderGraph, type GraphModel, type GraphOptions } from "./decoder-graph.ts";
import { graphByteLength } from "./graph-memory.ts";
import { layersOf, stateCount, windowLength } from "./layers.ts";
import type { LayerMemory, MemoryRules } from "./rules.ts";

/** How the numbers of keys and values are stored. */
export interface CacheType {
  readonly name: string;
  readonly blockSize: number;
  readonly blockByteLength: number;
}

export interface MemoryRequest {
  /** Tokens of the context. */
  readonly context: number;
  readonly cacheType: CacheType;
  /** Tokens that are computed at once. */
  readonly batch?: number;
}

/** Bytes of each buffer. */
export interface ContextBuffers {
  /** Keys and values, of all layers. */
  readonly cache: number;
  /** States of layers that keep no keys. */
  readonly state: number;
  /** Logits of one token. */
  readonly output: number;
  /** Intermediate results of a batch. */
  readonly compute: number;
  /** `outputs`: the blocks of the family are not described, and only inputs, masks and logits are counted. */
  readonly computeFrom: "graph" | "outputs";
  readonly layers: MemoryLayers;
}

/** What the layers keep. */
export interface MemoryLayers {
  /** Layers with the whole context. */
  readonly whole: number;
  readonly windowed: number;
  /** Layers with a state. */
  readonly state: number;
  /** Tokens of a window; 0 without one. */
  readonly window: number;
  /** Numbers that each token of the whole context adds. */
  readonly numbersPerToken: number;
}

/** llama.cpp's `n_ubatch`. */
const BATCH = 512;
/** Contexts and windows are kept in steps of so many tokens (src/llama-context.cpp, src/llama-kv-cache-iswa.cpp). */
const CELLS = 256;

const inSteps = (tokens: number): number => Math.ceil(tokens / CELLS) * CELLS;

/** The rules of a family by its name in GGUF. */
export function memoryRules(architecture: string | undefined): MemoryRules {
  const found = architectures.filter(({ name }) => name === architecture);
  const rules = found.find(({ memory }) => memory !== undefined)?.memory ?? {};
  const decoder = found.find((one) => one.decoder !== undefined)?.decoder;
  return decoder === undefined ? rules : { rotates: rotationOf(decoder), ...rules };
}

type Rotation = NonNullable<MemoryRules["rotates"]>;

function rotationOf({ positions, unrotatedPeriod, rotationKey }: DecoderDescription): Rotation {
  return (sizes, { layer }) =>
    positions !== "learned" &&
    (unrotatedPeriod === undefined || (layer + 1) % unrotatedPeriod !== 0) &&
    (rotationKey !== true || sizes.flag("rope.scaling.finetuned") !== false);
}

/**
 * What a context takes, by the metadata of a GGUF and the shapes of its tensors. Undefined where the metadata do not say how many
 * layers and heads the model has.
 */
export function contextBuffers(
  metadata: Metadata,
  shapes: ReadonlyMap<string, readonly number[]>,
  { context, cacheType, batch = BATCH }: MemoryRequest,
): ContextBuffers | undefined {
  const stated = sizesOf(metadata, new Set(shapes.keys()));
  if (stated === undefined) return undefined;
  const vocabulary = stated.vocabulary ?? shapes.get("token_embd.weight")?.[0];
  const sizes: Sizes = { ...stated, vocabulary };
  const rules = memoryRules(sizes.architecture);
  const layers = layersOf(rules, sizes);
  if (layers === undefined) return undefined;
  const cells = inSteps(context);
  const tokens = Math.min(batch, cells);
  const windowCells = inSteps(Math.min(cells, windowLength(rules, sizes) + tokens));
  const cache = layers.reduce(
    (sum, layer) => sum + cacheByteLength(layer, layer.isWindowed ? windowCells : cells, cacheType),
    0,
  );
  const model: GraphModel = { sizes, rules, layers, shapes };
  const options: GraphOptions = { tokens, cells, windowCells, isQuantized: cacheType.blockSize > 1 };
  const graph = decoderGraph(model, options);
  const withState = layers.filter(({ hasState }) => hasState).length;
  return {
    cache,
    state: withState === 0 ? 0 : withState * stateCount(sizes) * Float32Array.BYTES_PER_ELEMENT,
    output: (sizes.vocabulary ?? 0) * Float32Array.BYTES_PER_ELEMENT,
    compute: graph === undefined ? outputsByteLength(sizes, layers, options) : graphByteLength(graph),
    computeFrom: graph === undefined ? "outputs" : "graph",
    layers: memoryLayers(rules, sizes, layers),
  };
}

/**
 * What every family needs: the input for embeddings, the vectors of the tokens, and beside them first the masks of attention, in
 * 16 bits, and at last the logits.
 */
function outputsByteLength(
  sizes: Sizes,
  layers: readonly LayerMemory[],
  { tokens, cells, windowCells }: GraphOptions,
): number {
  const has = (wanted: boolean): boolean =>
    layers.some(({ cache, isWindowed }) => cache !== undefined && isWindowed === wanted);
  const masked = (has(false) ? cells : 0) + (has(true) ? windowCells : 0);
  const rows = 2 * (sizes.number("embedding_length") ?? 0) * Float32Array.BYTES_PER_ELEMENT;
  const logits = (sizes.vocabulary ?? 0) * Float32Array.BYTES_PER_ELEMENT;
  return tokens * (rows + Math.max(logits, masked * Uint16Array.BYTES_PER_ELEMENT));
}

function cacheByteLength(
  { cache }: LayerMemory,
  cells: number,
  { blockSize, blockByteLength }: CacheType,
): number {
  if (cache === undefined) return 0;
  const row = (count: number): number => Math.ceil(count / blockSize) * blockByteLength;
  return cells * (row(cache.keys) + row(cache.values));
}

function memoryLayers(rules: MemoryRules, sizes: Sizes, layers: readonly LayerMemory[]): MemoryLayers {
  const whole = layers.filter(({ cache, isWindowed }) => cache !== undefined && !isWindowed);
  return {
    whole: whole.length,
    windowed: layers.filter(({ cache, isWindowed }) => cache !== undefined && isWindowed).length,
    state: layers.filter(({ hasState }) => hasState).length,
    window: windowLength(rules, sizes),
    numbersPerToken: whole.reduce((sum, { cache }) => sum + (cache?.keys ?? 0) + (cache?.values ?? 0), 0),
  };
}
