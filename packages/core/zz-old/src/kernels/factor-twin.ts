/** The SIMD twin of `solveFactor`. */
import * as reference from "../solve/factor.ts";
import type { InputStatistics } from "../solve/statistics.ts";
import { makeSolveMemory, rememberMemory } from "./solve-memory.ts";

/** As the reference, with the kernel. */
export function solveFactor(
  statistics: InputStatistics,
  options: reference.FactorOptions,
): reference.SolveFactor {
  return reference.solveFactor(statistics, options, inverseInKernel);
}

const inverseInKernel: reference.InverseFactor = (columns, fill) => {
  const memory = makeSolveMemory(columns);
  if (memory === undefined) return reference.inverseFactor(columns, fill);
  const { stride, matrix, work, kernel } = memory;
  fill(matrix, stride);
  // columns that only fill the last vector
  for (let i = columns; i < stride; i++) {
    matrix.fill(0, i * stride, (i + 1) * stride);
    matrix[i * (stride + 1)] = 1;
  }
  if (kernel("factorLower")(matrix.byteOffset, stride, work) === 0) return undefined;
  kernel("invertLower")(matrix.byteOffset, stride, work);
  reference.turnTriangle(matrix, stride, columns, memory.upper);
  rememberMemory(memory.upper, memory);
  return { upper: memory.upper, moments: memory.moments };
};

/** Layers that have the same inputs share their statistics, and the factor takes longer than the codes. */
const known = new WeakMap<Float32Array, reference.SolveFactor>();

/**
 * The factor in act order; made once for as long as the same array of moments is in use. Undefined where no token reached the
 * layer.
 */
export function actOrderFactor(
  statistics: InputStatistics,
  damping?: number,
): reference.SolveFactor | undefined {
  if (statistics.tokens === 0) return undefined;
  const { moments } = statistics;
  const made = known.get(moments) ?? solveFactor(statistics, { order: "act", damping });
  known.set(moments, made);
  return made;
}
