/**
 * Checks sizes in a config or in metadata against the tensors: a size that no tensor supports would only cost memory (ten
 * billion layers in a file of twelve tensors), so it is refused before it is used.
 */
import { FormatError, type Metadata } from "@requant/core";
import type { ConfigValues } from "./config.ts";
import { numberOf } from "./metadata-values.ts";

interface Shaped {
  readonly shape: readonly number[];
}

/** Every layer has a tensor of its own. */
const layerKeys = ["num_hidden_layers", "n_layer", "n_layers", "num_layers"];
/** Each of these sizes is a dimension of some tensor, divides a dimension, or counts tensors. */
const sizeKeys = [
  "hidden_size",
  "n_embd",
  "head_dim",
  "num_attention_heads",
  "n_head",
  "num_key_value_heads",
  "qk_nope_head_dim",
  "qk_rope_head_dim",
  "v_head_dim",
  "num_local_experts",
  "num_experts",
  "n_routed_experts",
];
const ggufLayerKeys = ["block_count"];
const ggufSizeKeys = [
  "embedding_length",
  "attention.head_count",
  "attention.head_count_kv",
  "attention.key_length",
  "attention.value_length",
  "rope.dimension_count",
  "expert_count",
];

function refuse(key: string, stated: unknown, bound: number, what: string, path: string | undefined): void {
  if (typeof stated !== "number" || stated <= bound) return;
  throw new FormatError(`${key} is ${stated}, but ${what} ${bound}.`, {
    path,
    hint: "The config belongs to another model, or the checkpoint is not complete.",
  });
}

function bounds(tensors: readonly Shaped[]): { count: number; size: number } {
  const count = tensors.length;
  let size = count;
  for (const { shape } of tensors) for (const length of shape) size = Math.max(size, length);
  return { count, size };
}

/** @throws FormatError for a size of a resolved config.json that the checkpoint's tensors rule out */
export function refuseImpossibleConfig(
  values: ReadonlyMap<string, unknown> | ConfigValues,
  tensors: readonly Shaped[],
): void {
  if (tensors.length === 0) return;
  const { count, size } = bounds(tensors);
  const path = "config.json";
  for (const key of layerKeys) refuse(key, values.get(key), count, "the number of tensors is", path);
  for (const key of sizeKeys) refuse(key, values.get(key), size, "the longest side of all tensors is", path);
  const [width, heads] = [values.get("hidden_size"), values.get("num_attention_heads")];
  if (typeof width !== "number" || typeof heads !== "number" || heads <= 0 || width % heads === 0) return;
  // a stated head length need not divide hidden_size; a derived one is the quotient, rounded down
  const length = values.get("head_dim") ?? values.get("qk_nope_head_dim") ?? Math.floor(width / heads);
  if (length === Math.floor(width / heads)) {
    throw new FormatError(`A hidden_size of ${width} does not divide into ${heads} attention heads.`, {
      path,
    });
  }
}

/** @throws FormatError for a size of a GGUF's metadata that its tensors rule out */
export function refuseImpossibleMetadata(
  metadata: Metadata,
  architecture: string,
  tensors: readonly Shaped[],
): void {
  if (tensors.length === 0) return;
  const { count, size } = bounds(tensors);
  const stated = (key: string): unknown => numberOf(metadata.get(`${architecture}.${key}`));
  for (const key of ggufLayerKeys)
    refuse(`${architecture}.${key}`, stated(key), count, "the number of tensors is", undefined);
  for (const key of ggufSizeKeys)
    refuse(`${architecture}.${key}`, stated(key), size, "the longest side of all tensors is", undefined);
}
