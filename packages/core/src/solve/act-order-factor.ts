import { solveFactor } from "../kernels/factor-twin.ts";
import type { SolveFactor } from "./factor.ts";
import type { InputStatistics } from "./statistics.ts";

/** Layers that have the same inputs share their statistics, and the factor takes longer than the codes. */
const known = new WeakMap<Float32Array, SolveFactor>();

/**
 * The factor in act order; made once for as long as the same array of moments is in use. Undefined where no token reached the
 * layer.
 */
export function actOrderFactor(statistics: InputStatistics, damping?: number): SolveFactor | undefined {
  if (statistics.tokens === 0) return undefined;
  const { moments } = statistics;
  const made = known.get(moments) ?? solveFactor(statistics, { order: "act", damping });
  known.set(moments, made);
  return made;
}
