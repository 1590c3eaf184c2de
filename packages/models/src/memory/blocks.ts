/** The parts of a layer that most families share (llama.cpp, src/llama-graph.cpp, build_norm, build_ffn, build_moe_ffn). */
import { type ComputeGraph, compute, type GraphTensor, part, rewrite, view } from "./compute-graph.ts";

/** A norm: without a mean it writes over its input where it can (`rms`), with one it does not (`layer`). */
export type NormKind = "rms" | "layer";

/** Weight and bias of the norm are applied in place. */
export function norm(kind: NormKind, sizes: readonly number[], source: GraphTensor): GraphTensor {
  const normed = compute(sizes, [source], { reuses: kind === "rms" });
  return rewrite(sizes, normed);
}

export interface ForwardSizes {
  readonly width: number;
  readonly tokens: number;
  readonly inner: number;
  /** `fused`: gate and up are one matrix. */
  readonly gate: "separate" | "fused" | "none";
}

export function forward(source: GraphTensor, { width, tokens, inner, gate }: ForwardSizes): GraphTensor {
  const wide = [inner, tokens];
  const down = (active: GraphTensor) => compute([width, tokens], [active]);
  if (gate === "none") return down(rewrite(wide, compute(wide, [source])));
  if (gate === "fused") return down(compute(wide, [compute([2 * inner, tokens], [source])]));
  return down(compute(wide, [compute(wide, [source]), compute(wide, [source])]));
}

export interface ExpertSizes {
  readonly width: number;
  readonly tokens: number;
  readonly inner: number;
  readonly count: number;
  readonly used: number;
  readonly gate: "separate" | "fused" | "none";
  /** A bias that only decides which experts are chosen. */
  readonly selectionBias: boolean;
}

/** The chosen experts of each token, weighted and added. */
export function experts(
  graph: ComputeGraph,
  source: GraphTensor,
  { width, tokens, inner, count, used, gate, selectionBias }: ExpertSizes,
): GraphTensor {
  const scores = rewrite([count, tokens], compute([count, tokens], [source]));
  const biased = selectionBias ? rewrite([count, tokens], scores) : scores;
  const chosen = part(compute([count, tokens], [biased], { type: "i32" }));
  const picked = compute([1, used, tokens], [view(scores, [1, count, tokens]), chosen]);
  const flat = view(picked, [used, tokens]);
  const sum = rewrite([1, tokens], compute([1, tokens], [flat]));
  const weights = graph.expand(view(rewrite([used, tokens], flat, sum), [1, used, tokens]));
  const each = view(source, [width, 1, tokens]);
  const wide = [inner, used, tokens];
  const matrix = (sizes: readonly number[], of: GraphTensor) => compute(sizes, [of, chosen]);
  const active =
    gate === "separate"
      ? compute(wide, [matrix(wide, each), matrix(wide, each)])
      : gate === "fused"
        ? fusedGate(matrix([2 * inner, used, tokens], each), wide)
        : rewrite(wide, matrix(wide, each));
  const all = [width, used, tokens];
  const weighted = graph.expand(rewrite(all, matrix(all, active), weights));
  const outputs = Array.from({ length: used }, () => graph.expand(part(weighted)));
  const [first, ...others] = outputs;
  if (first === undefined) return weighted;
  if (others.length === 0) return compute([width, tokens], [first]);
  return others.reduce((sum, one) => graph.expand(rewrite([width, tokens], sum, one)), first);
}

function fusedGate(both: GraphTensor, wide: readonly number[]): GraphTensor {
  return compute(wide, [part(both), part(both)]);
}
