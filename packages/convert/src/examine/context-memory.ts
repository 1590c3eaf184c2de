/** What the context of a model takes beside its weights, in bytes, as llama.cpp allocates it with its defaults. */
import { type BlockCodec, F16, isCodecError, type Metadata, UsageError } from "@requant/core";
import { bounded, didYouMean } from "@requant/core/text";
import { Q4_0, Q8_0 } from "@requant/gguf";
import { configMetadata, contextBuffers, hfToGguf, type MemoryLayers } from "@requant/models";
import type { Model } from "../model/model.ts";
import { ownTensors } from "../model/scaled-weight.ts";

/** The types that llama.cpp can store keys and values in, of those that people use. */
const CACHE_TYPES: readonly BlockCodec[] = [F16, Q8_0, Q4_0];

/** The types in which keys and values can be stored, by the names that people write: "f16", "q8_0", "q4_0". */
export const cacheTypeNames: readonly string[] = CACHE_TYPES.map(({ name }) => name.toLowerCase());

/** A context, and what it takes. */
export interface ContextMemory {
  readonly tokens: number;
  /** What keys and values are stored in. */
  readonly kv: string;
  /** What each further token adds. */
  readonly bytesPerToken: number;
  /** Keys and values. */
  readonly cache: number;
  /** States of layers that keep no keys. */
  readonly state: number;
  /** Logits of one token. */
  readonly output: number;
  /** Intermediate results of a batch of 512 tokens. */
  readonly compute: number;
  /** "outputs": only inputs, masks and logits of the batch are counted, the most of it; "none": nothing is known of it. */
  readonly computeFrom: "graph" | "outputs" | "none";
  /** All together. */
  readonly byteLength: number;
  /** "model": from its own settings; "estimate": from the number of parameters alone. */
  readonly from: "model" | "estimate";
  /** What the layers keep, where a model says it. */
  readonly layers?: MemoryLayers | undefined;
}

/**
 * The memory of a context of so many tokens, by the model's metadata or config.json. Undefined where these do not say how many
 * layers and heads the model has.
 */
export async function contextMemory(
  model: Model,
  tokens: number,
  kv: string = cacheTypeNames[0] ?? "",
): Promise<ContextMemory | undefined> {
  const codec = cacheType(kv);
  const described = await describe(model);
  const buffers =
    described === undefined
      ? undefined
      : contextBuffers(described.metadata, described.shapes, { context: tokens, cacheType: codec });
  if (buffers === undefined) return undefined;
  const { cache, state, output, compute, computeFrom, layers } = buffers;
  return {
    tokens,
    kv: kv.toLowerCase(),
    bytesPerToken: (layers.numbersPerToken * codec.blockByteLength) / codec.blockSize,
    cache,
    state,
    output,
    compute,
    computeFrom,
    byteLength: cache + state + output + compute,
    from: "model",
    layers,
  };
}

interface Described {
  readonly metadata: Metadata;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
}

/** The model as its GGUF: the rules of the families are written in its names. */
async function describe(model: Model): Promise<Described | undefined> {
  if (model.gguf !== undefined) {
    return { metadata: model.gguf.metadata, shapes: shapesOf(ownTensors(model.tensors)) };
  }
  if (model.hf?.config === undefined) return undefined;
  const files = await model.hf.sideFiles();
  try {
    const options = { fileType: "F16", tokenizer: false, contradictions: "report" } as const;
    const { metadata, tensors } = hfToGguf(files, options);
    return { metadata, shapes: shapesOf(tensors) };
  } catch (error) {
    if (!isCodecError(error)) throw error;
    return { metadata: configMetadata(files), shapes: new Map() };
  }
}

function shapesOf(
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
): ReadonlyMap<string, readonly number[]> {
  return new Map(tensors.map(({ name, shape }) => [name, shape]));
}

/** @throws UsageError for a type that is not one of {@link cacheTypeNames} */
export function cacheType(text: string): BlockCodec {
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
