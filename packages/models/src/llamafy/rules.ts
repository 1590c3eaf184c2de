/** Tensor rules onto Llama's names. */
import type { TensorRule } from "../architectures/architecture.ts";
import { splitRows } from "../architectures/split-tensors.ts";
import { keyHeads, mapped, queryHeads, same } from "../architectures/tensors.ts";
import type { Config } from "../config.ts";

const layer = "model.layers.{layer}";

/** Llama's own names, with all biases that `attention_bias` and `mlp_bias` allow. */
export const ends: readonly TensorRule[] = own([
  "model.embed_tokens.weight",
  "model.norm.weight",
  "lm_head.weight",
]);
export const norms: readonly TensorRule[] = own([
  `${layer}.input_layernorm.weight`,
  `${layer}.post_attention_layernorm.weight`,
]);
export const attention: readonly TensorRule[] = own([
  `${layer}.self_attn.q_proj.*`,
  `${layer}.self_attn.k_proj.*`,
  `${layer}.self_attn.v_proj.*`,
  `${layer}.self_attn.o_proj.*`,
]);
export const feedForward: readonly TensorRule[] = own([
  `${layer}.mlp.gate_proj.*`,
  `${layer}.mlp.up_proj.*`,
  `${layer}.mlp.down_proj.*`,
]);

export function own(names: readonly string[]): readonly TensorRule[] {
  return names.map((name) => same(name, name));
}

/** `[from, to]`, with Llama's `model.layers.{layer}.` before the second. */
export function renamed(pairs: readonly (readonly [string, string])[]): readonly TensorRule[] {
  return pairs.map(([from, to]) => same(from, `${layer}.${to}`));
}

export function headRows(heads: (config: Config) => number): (config: Config) => number {
  return (config) => heads(config) * config.headLength;
}

/** One matrix with the rows of q, then of k, then of v. */
export function fusedAttention(name: string): TensorRule {
  return splitRows(name, [
    { gguf: `${layer}.self_attn.q_proj.*`, rows: headRows(queryHeads) },
    { gguf: `${layer}.self_attn.k_proj.*`, rows: headRows(keyHeads) },
    { gguf: `${layer}.self_attn.v_proj.*`, rows: headRows(keyHeads) },
  ]);
}

/** Moves rotary dimensions from pairs to Llama's halves. */
export function pairsToHalves(name: string, heads: (config: Config) => number): TensorRule {
  const steps = (kind: "rope-to-halves" | "rope-to-pairs") => (context: { readonly config: Config }) => ({
    rowOrder: { kind, headCount: heads(context.config) },
  });
  return mapped(name, name, steps("rope-to-halves"), steps("rope-to-pairs"));
}
