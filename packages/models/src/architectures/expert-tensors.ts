/** Tensor rules of mixtures of experts that several families share. */
import type { TensorRule } from "./architecture.ts";
import { stackedExperts } from "./tensors.ts";

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
