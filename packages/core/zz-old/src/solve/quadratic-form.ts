import type { InputStatistics } from "./statistics.ts";

/** The second moments that a change of weights is multiplied by. */
export type ChangedInputs = Pick<InputStatistics, "columns" | "moments">;

/** As `squaredOutput`. */
export type SquaredOutput = (
  difference: Float32Array,
  inputs: ChangedInputs,
  start?: number,
  end?: number,
) => number;

const fround = Math.fround;

/**
 * Σ over rows of d · moments · dᵀ: the mean over tokens of the squared change of a layer's outputs, where `difference` is
 * added to its weights. Half of the symmetric matrix is read. The products of a row of moments are summed in f32, column
 * by column; all other sums are in f64.
 * @param difference [rows, end − start], row-major
 * @param start the first of the columns that change; all others stay
 */
export const squaredOutput: SquaredOutput = (
  difference,
  { columns, moments },
  start = 0,
  end: number = columns,
): number => {
  const width = end - start;
  const sums = new Float64Array(difference.length / width);
  for (let i = 0; i < width; i++) {
    const at = (start + i) * columns + start;
    for (let row = 0, from = 0; row < sums.length; row++, from += width) {
      let rest = 0;
      for (let j = i + 1; j < width; j++)
        rest = fround(rest + fround(moments[at + j]! * difference[from + j]!));
      sums[row]! += ownPart(difference[from + i]!, moments[at + i]!, rest);
    }
  }
  return total(sums);
};

/** What one column adds to the sum of a row; `rest`: the products with all columns behind it. */
export function ownPart(own: number, moment: number, rest: number): number {
  return own * (moment * own + 2 * rest);
}

/** The sum over rows. */
export function total(sums: Float64Array): number {
  let sum = 0;
  for (const one of sums) sum += one;
  return sum;
}
