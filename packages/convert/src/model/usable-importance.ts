import { columnImportance, type InputStatistics } from "@requant/core/solve";

/**
 * The importance of each column. Grid searches divide by sums of it: a column that is always zero counts next to nothing.
 * Undefined where all are.
 */
export function usableImportance(statistics: InputStatistics): Float32Array | undefined {
  const importance = columnImportance(statistics);
  let least = Number.POSITIVE_INFINITY;
  for (const value of importance) if (value > 0 && value < least) least = value;
  if (least === Number.POSITIVE_INFINITY) return undefined;
  return importance.map((value) => (value > 0 ? value : least));
}
