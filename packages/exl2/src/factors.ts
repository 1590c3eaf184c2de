import { type InputStatistics, type SolveFactor, solveFactor } from "@requant/core/solve";

/** Layers that have the same inputs share their statistics, and the factor takes longer than the codes. */
const known = new WeakMap<Float32Array, SolveFactor>();

/** The factor in act order; undefined where no token reached the layer. */
export function actOrderFactor(statistics: InputStatistics): SolveFactor | undefined {
  if (statistics.tokens === 0) return undefined;
  const { moments } = statistics;
  const made = known.get(moments) ?? solveFactor(statistics, { order: "act" });
  known.set(moments, made);
  return made;
}
