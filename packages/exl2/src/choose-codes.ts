/** The codes of one group, once its scales are known. */
import { nearestLevel } from "./nearest-level.ts";
import { half } from "./scales.ts";
import type { GroupWeights } from "./search-scales.ts";

const fround = Math.fround;

/**
 * Writes the group's codes, and makes up for each error of rounding by the columns that have no codes yet: weights in
 * `group.values` change, those of the same group at once, all later ones when the group is done. Every step is rounded to f32.
 * @param scales of each row
 * @param upper the factor's U, in stored order
 * @returns the sum of the importance of each column times its squared errors
 */
export function solveCodes(
  group: GroupWeights,
  scales: Float32Array,
  codes: Uint8Array,
  upper: Float32Array,
): number {
  const { values, rows, width, start, size, bits, importance } = group;
  const zero = 2 ** (bits - 1);
  const end = start + size;
  const errors = new Float32Array(size);
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const scale = scales[row]!;
    const from = row * width;
    for (let i = start; i < end; i++) {
      const value = values[from + i]!;
      const level = levelOf(value, scale, zero);
      codes[from + i] = level + zero;
      const difference = value - half(level * scale);
      sum += (importance?.[i] ?? 1) * difference * difference;
      const error = fround(difference / upper[i * width + i]!);
      errors[i - start] = error;
      for (let j = i + 1, at = i * width; j < end; j++) {
        values[from + j] = values[from + j]! - fround(error * upper[at + j]!);
      }
    }
    spread(values, from, errors, upper, { width, start, end });
  }
  return sum;
}

/**
 * Writes the group's codes: the nearest ones.
 * @param scales of each row
 * @returns the sum of the importance of each column times its squared errors
 */
export function roundCodes(group: GroupWeights, scales: Float32Array, codes: Uint8Array): number {
  const { values, rows, width, start, size, bits, importance } = group;
  const zero = 2 ** (bits - 1);
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const scale = scales[row]!;
    const from = row * width;
    for (let i = start; i < start + size; i++) {
      const level = levelOf(values[from + i]!, scale, zero);
      codes[from + i] = level + zero;
      const difference = values[from + i]! - half(level * scale);
      sum += (importance?.[i] ?? 1) * difference * difference;
    }
  }
  return sum;
}

function levelOf(value: number, scale: number, zero: number): number {
  return scale === 0 ? 0 : nearestLevel(value / scale, zero);
}

interface Band {
  readonly width: number;
  readonly start: number;
  readonly end: number;
}

/** Changes one row of all later columns to make up for the errors of a group, four errors at a time. */
function spread(
  values: Float32Array,
  from: number,
  errors: Float32Array,
  upper: Float32Array,
  { width, start, end }: Band,
): void {
  // groups have whole words of 32 columns
  for (let i = 0; i < errors.length; i += 4) {
    const [a, b, c, d] = [errors[i]!, errors[i + 1]!, errors[i + 2]!, errors[i + 3]!];
    const rowA = (start + i) * width;
    const rowB = rowA + width;
    const rowC = rowB + width;
    const rowD = rowC + width;
    for (let j = end; j < width; j++) {
      let value = fround(values[from + j]! - fround(a * upper[rowA + j]!));
      value = fround(value - fround(b * upper[rowB + j]!));
      value = fround(value - fround(c * upper[rowC + j]!));
      values[from + j] = value - fround(d * upper[rowD + j]!);
    }
  }
}
