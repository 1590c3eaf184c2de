/** The sizes that llama.cpp works out of a GGUF's metadata, and asks of the tensors (llama-hparams.cpp, llama-model.cpp). */
import type { Metadata } from "@requant/core";
import { boolOf, boolsOf, numberOf, numbersOf, stringOf } from "../metadata-values.ts";

/** Metadata as numbers: keys are without the architecture's name. */
export interface Sizes {
  readonly architecture: string;
  /** A number, or the first of a list; undefined where the key is missing or no number. */
  number(key: string): number | undefined;
  /** The same for one layer of a key that may be a list. */
  at(key: string, layer: number): number | undefined;
  /** The value of a key that is a flag. */
  flag(key: string): boolean | undefined;
  /** True where the key has a value for each layer. */
  isList(key: string): boolean;
  /** Layers, without those that only predict further tokens. */
  readonly trunk: number;
  /** Rows of the vocabulary. */
  readonly vocabulary: number | undefined;
  /** True for a layer with windowed attention, by the list that says so. */
  isWindowed(layer: number): boolean;
  /** True where the file has a tensor of this name. */
  readonly hasTensor: (name: string) => boolean;
}

/**
 * @param faulty keys whose values are wrong: they are no numbers (NaN), and so is every size that follows from them
 * @returns undefined where the metadata does not say what the model is, or how many layers it has
 */
export function sizesOf(
  metadata: Metadata,
  tensorNames: ReadonlySet<string>,
  faulty: ReadonlySet<string> = new Set(),
): Sizes | undefined {
  const architecture = stringOf(metadata.get("general.architecture"));
  const value = (key: string) => metadata.get(`${architecture}.${key}`);
  const at = (key: string, layer: number): number | undefined => {
    if (faulty.has(`${architecture}.${key}`)) return Number.NaN;
    const found = value(key);
    if (found?.type !== "array") return numberOf(found);
    const flags = boolsOf(found);
    return flags === undefined ? numbersOf(found)?.[layer] : Number(flags[layer] ?? false);
  };
  const number = (key: string): number | undefined => at(key, 0);
  const layers = number("block_count");
  if (architecture === undefined || layers === undefined || Number.isNaN(layers)) return undefined;
  const tokens = metadata.get("tokenizer.ggml.tokens");
  const windowed = boolsOf(value("attention.sliding_window_pattern"));
  return {
    architecture,
    number,
    at,
    flag: (key) => boolOf(value(key)),
    isList: (key) => value(key)?.type === "array",
    trunk: layers - (number("nextn_predict_layers") ?? 0),
    vocabulary: tokens?.type === "array" ? tokens.length : number("vocab_size"),
    isWindowed: (layer) => windowed?.[layer] === true,
    hasTensor: (name) => tensorNames.has(name),
  };
}

type Size = (sizes: Sizes, layer: number) => number | undefined;

const times = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : a * b;

const key =
  (name: string): Size =>
  (sizes) =>
    sizes.number(name);

const embedding = key("embedding_length");
const heads = (sizes: Sizes, layer = 0) => sizes.at("attention.head_count", layer);
/** Heads of keys and values in a layer. */
export const headsOfKeys = (sizes: Sizes, layer = 0): number | undefined =>
  sizes.at("attention.head_count_kv", layer) ?? heads(sizes, layer);

/** The length of a head, as the named key says, or as the embedding divides. */
const headLength =
  (name: string): ((sizes: Sizes) => number | undefined) =>
  (sizes) => {
    const stated = sizes.number(name);
    if (stated !== undefined) return stated;
    const [width, count] = [sizes.number("embedding_length"), heads(sizes)];
    return width === undefined || count === undefined || count === 0 ? undefined : Math.floor(width / count);
  };

export const keyLength: (sizes: Sizes) => number | undefined = headLength("attention.key_length");
export const valueLength: (sizes: Sizes) => number | undefined = headLength("attention.value_length");
/** Values of each head that the rotation turns. */
export const rotated = (sizes: Sizes): number | undefined =>
  sizes.number("rope.dimension_count") ?? keyLength(sizes);

const forward: Size = (sizes) => sizes.number("feed_forward_length");
const expertForward: Size = (sizes) => sizes.number("expert_feed_forward_length");

function expertForwardOrShare(sizes: Sizes): number | undefined {
  const own = expertForward(sizes, 0) ?? 0;
  if (own > 0) return own;
  // a length that is not stated is 0, which no tensor has
  const [all = 0, used] = [forward(sizes, 0), sizes.number("expert_used_count")];
  return used === undefined || used === 0 ? undefined : Math.floor(all / used);
}

/** Latent attention has head lengths of its own, where both are stated. */
export function isLatent(sizes: Sizes): boolean {
  return (
    (sizes.number("attention.key_length_mla") ?? 0) > 0 &&
    (sizes.number("attention.value_length_mla") ?? 0) > 0
  );
}
export const latentKey = (sizes: Sizes): number | undefined =>
  isLatent(sizes) ? sizes.number("attention.key_length_mla") : keyLength(sizes);
const latentValue = (sizes: Sizes): number | undefined =>
  isLatent(sizes) ? sizes.number("attention.value_length_mla") : valueLength(sizes);
const unturned = (sizes: Sizes): number | undefined => minus(latentKey(sizes), rotated(sizes));

function minus(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a - b;
}
function plus(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a + b;
}

const linearKeys = (sizes: Sizes) => times(sizes.number("ssm.state_size"), sizes.number("ssm.group_count"));
const linearValues = (sizes: Sizes) =>
  times(sizes.number("ssm.state_size"), sizes.number("ssm.time_step_rank"));

/** Lengths of a head, of its key and of its value; heads of windowed attention may have others. */
export function headLengths(
  sizes: Sizes,
  isWindowed: boolean,
): readonly [key: number | undefined, value: number | undefined] {
  const own = (name: string): number | undefined => (isWindowed ? sizes.number(name) : undefined);
  return [
    own("attention.key_length_swa") ?? keyLength(sizes),
    own("attention.value_length_swa") ?? valueLength(sizes),
  ];
}
const ownKeyLength: Size = (sizes, layer) => headLengths(sizes, sizes.isWindowed(layer))[0];
const ownValueLength: Size = (sizes, layer) => headLengths(sizes, sizes.isWindowed(layer))[1];

/** The names that rules use. "own": of the layer; all others are those of the first layer. */
export type SizeName =
  | "one"
  | "embd"
  | "2 embd"
  | "3 embd"
  | "vocab"
  | "context"
  | "token types"
  | "labels"
  | "heads"
  | "key heads"
  | "head"
  | "own head"
  | "q"
  | "2 q"
  | "k"
  | "v"
  | "q + k + v"
  | "embd + 2 v"
  | "own q"
  | "own k"
  | "own v"
  | "turned q"
  | "turned k"
  | "half turned"
  | "half full head"
  | "ff"
  | "2 ff"
  | "half ff"
  | "own ff"
  | "experts"
  | "expert ff"
  | "2 expert ff"
  | "expert ff or share"
  | "2 expert ff or share"
  | "shared ff"
  | "shared ff or ff"
  | "shared experts"
  | "q rank"
  | "kv rank"
  | "kv rank + turned"
  | "latent q"
  | "latent o"
  | "latent v"
  | "unturned"
  | "latent kv"
  | "convolution"
  | "short convolution"
  | "time steps"
  | "2 time steps"
  | "state"
  | "linear v"
  | "linear qkv"
  | "linear qkvz"
  | "per layer"
  | "all per layer";

/** How each size follows from the metadata. */
const table: Readonly<Record<SizeName, Size>> = {
  one: () => 1,
  embd: embedding,
  "2 embd": (sizes) => times(2, embedding(sizes, 0)),
  "3 embd": (sizes) => times(3, embedding(sizes, 0)),
  vocab: (sizes) => sizes.vocabulary,
  context: key("context_length"),
  "token types": key("token_type_count"),
  labels: (sizes) => sizes.number("classifier.output_labels") ?? 1,
  heads: (sizes) => heads(sizes),
  "key heads": (sizes) => headsOfKeys(sizes),
  head: (sizes) => keyLength(sizes),
  "own head": ownKeyLength,
  q: (sizes) => times(keyLength(sizes), heads(sizes)),
  "2 q": (sizes) => times(times(2, keyLength(sizes)), heads(sizes)),
  k: (sizes) => times(keyLength(sizes), headsOfKeys(sizes)),
  v: (sizes) => times(valueLength(sizes), headsOfKeys(sizes)),
  "q + k + v": (sizes) =>
    plus(
      plus(times(keyLength(sizes), heads(sizes)), times(keyLength(sizes), headsOfKeys(sizes))),
      times(valueLength(sizes), headsOfKeys(sizes)),
    ),
  "embd + 2 v": (sizes) => plus(embedding(sizes, 0), times(2, times(valueLength(sizes), headsOfKeys(sizes)))),
  "own q": (sizes, layer) => times(ownKeyLength(sizes, layer), heads(sizes, layer)),
  "own k": (sizes, layer) => times(ownKeyLength(sizes, layer), headsOfKeys(sizes, layer)),
  "own v": (sizes, layer) => times(ownValueLength(sizes, layer), headsOfKeys(sizes, layer)),
  "turned q": (sizes) => times(rotated(sizes), heads(sizes)),
  "turned k": (sizes) => times(rotated(sizes), headsOfKeys(sizes)),
  "half turned": (sizes) => halfOf(rotated(sizes)),
  "half full head": (sizes) => halfOf(keyLength(sizes)),
  ff: forward,
  "2 ff": (sizes) => times(2, forward(sizes, 0)),
  "half ff": (sizes) => halfOf(forward(sizes, 0)),
  "own ff": (sizes, layer) => sizes.at("feed_forward_length", layer),
  experts: key("expert_count"),
  "expert ff": expertForward,
  "2 expert ff": (sizes) => times(2, expertForward(sizes, 0)),
  "expert ff or share": expertForwardOrShare,
  "2 expert ff or share": (sizes) => times(2, expertForwardOrShare(sizes)),
  "shared ff": key("expert_shared_feed_forward_length"),
  "shared ff or ff": (sizes) => sizes.number("expert_shared_feed_forward_length") || (forward(sizes, 0) ?? 0),
  "shared experts": (sizes) => times(expertForwardOrShare(sizes), sizes.number("expert_shared_count")),
  "q rank": key("attention.q_lora_rank"),
  "kv rank": key("attention.kv_lora_rank"),
  "kv rank + turned": (sizes) => plus(sizes.number("attention.kv_lora_rank"), rotated(sizes)),
  "latent q": (sizes) => times(heads(sizes), latentKey(sizes)),
  "latent o": (sizes) => times(heads(sizes), latentValue(sizes)),
  "latent v": (sizes) => latentValue(sizes),
  unturned: (sizes) => unturned(sizes),
  "latent kv": (sizes) => times(heads(sizes), plus(unturned(sizes), latentValue(sizes))),
  convolution: key("ssm.conv_kernel"),
  "short convolution": key("shortconv.l_cache"),
  "time steps": key("ssm.time_step_rank"),
  "2 time steps": (sizes) => times(2, sizes.number("ssm.time_step_rank")),
  state: key("ssm.state_size"),
  "linear v": linearValues,
  "linear qkv": (sizes) => plus(times(2, linearKeys(sizes)), linearValues(sizes)),
  "linear qkvz": (sizes) => plus(times(2, linearKeys(sizes)), times(2, linearValues(sizes))),
  "per layer": key("embedding_length_per_layer_input"),
  "all per layer": (sizes) => times(sizes.number("embedding_length_per_layer_input"), sizes.trunk),
};

function halfOf(size: number | undefined): number | undefined {
  return size === undefined ? undefined : Math.floor(size / 2);
}

/** A size for a layer, 0 for tensors outside the layers; undefined where a key that it needs is missing. */
export function sizeOf(name: SizeName, sizes: Sizes, layer: number): number | undefined {
  const size: Size = table[name];
  return size(sizes, layer);
}
