/** Tensor rules of mixtures of experts that several families share. */
import type { TensorRule } from "./architecture.ts";
import {
  attention,
  decoderEnds,
  gatedFeedForward,
  headNorms,
  layerNorms,
  router,
  same,
  separateExperts,
  sharedExpert,
  stackedExperts,
} from "./tensors.ts";

/** Experts whose projections have numbers, as in Mixtral: w1 is the gate, w2 leads down, w3 up. */
export function numberedExperts(prefix: string): TensorRule {
  return stackedExperts([
    [`${prefix}.{expert}.w1.weight`, "blk.{layer}.ffn_gate_exps.weight"],
    [`${prefix}.{expert}.w2.weight`, "blk.{layer}.ffn_down_exps.weight"],
    [`${prefix}.{expert}.w3.weight`, "blk.{layer}.ffn_up_exps.weight"],
  ]);
}

/** Gate, up, down: the order in which llama.cpp's converter writes some families' experts. */
export function gateFirstExperts(prefix: string, count?: TensorRule["expertCount"]): TensorRule {
  return stackedExperts(
    ["gate", "up", "down"].map((part) => [
      `${prefix}.{expert}.${part}_proj.weight`,
      `blk.{layer}.ffn_${part}_exps.weight`,
    ]),
    count,
  );
}

/** Experts in every layer, with norms of queries and keys. */
export const expertLayers: readonly TensorRule[] = [
  ...decoderEnds,
  ...layerNorms,
  ...attention(false),
  ...headNorms,
  separateExperts("model.layers.{layer}.mlp.experts"),
  router,
];

/** The feed-forward of layers that are dense or, with a router, have experts and shared experts: DeepSeek's names. */
export const sharedExpertFeedForward: readonly TensorRule[] = [
  ...gatedFeedForward,
  separateExperts("model.layers.{layer}.mlp.experts"),
  router,
  ...sharedExpert("model.layers.{layer}.mlp.shared_experts"),
];

/** What is added to the router's scores when experts are chosen. */
export const routerBias: TensorRule = same(
  "model.layers.{layer}.mlp.gate.e_score_correction_bias",
  "blk.{layer}.exp_probs_b.bias",
);
