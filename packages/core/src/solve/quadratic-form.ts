import type { InputStatistics } from "./statistics.ts";

/** Rows whose changes are multiplied by a row of the moments while it is in the cache. */
const BAND = 32;

/**
 * Σ over rows of d · moments · dᵀ: the mean over tokens of the squared change of a layer's outputs, where `difference` is
 * added to its weights. Half of the symmetric matrix is read. Sums in f64.
 * @param difference [rows, end − start], row-major
 * @param start the first of the columns that change; all others stay
 */
export function squaredOutput(
  difference: Float32Array,
  { columns, moments }: Pick<InputStatistics, "columns" | "moments">,
  start = 0,
  end = columns,
): number {
  const width = end - start;
  let sum = 0;
  for (let band = 0; band < difference.length; band += BAND * width) {
    const last = Math.min(difference.length, band + BAND * width);
    for (let i = 0; i < width; i++) {
      const at = (start + i) * columns + start;
      for (let row = band; row < last; row += width) {
        const own = difference[row + i]!;
        if (own === 0) continue;
        let rest = 0;
        for (let j = i + 1; j < width; j++) rest += moments[at + j]! * difference[row + j]!;
        sum += own * (moments[at + i]! * own + 2 * rest);
      }
    }
  }
  return sum;
}
