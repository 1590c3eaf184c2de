import { type ErrorPlace, FormatError } from "@requant/core";

/** Columns per group for `groupCount` groups. AWQ's groups are equal: K is a multiple of the size. */
export function settleGroupSize(columns: number, groupCount: number, place: ErrorPlace = {}): number {
  if (groupCount === 1) return -1;
  if (columns % groupCount === 0) return columns / groupCount;
  throw new FormatError(`${groupCount} groups do not divide ${columns} columns.`, place);
}

/**
 * Words of zero points per row in the GEMV packings: those that the groups need, in steps of 1, 2 or 4 by group size.
 * Scales are padded alike, to eight per word. Source: AutoAWQ, modules/linear/gemv.py (calculate_zeros_width).
 */
export function gemvZeroWords(columns: number, groupSize: number): number {
  const size = groupSize === -1 ? columns : groupSize;
  const step = size >= 128 ? 1 : size === 64 ? 2 : 4;
  const words = Math.ceil(Math.ceil(columns / size) / 8);
  return Math.ceil(words / step) * step;
}

/**
 * The group size of a GEMV weight, which the padded parts do not show: the claimed size, where it agrees with the
 * padding.
 * @throws FormatError
 */
export function settleGemvGroupSize(
  columns: number,
  zeroWords: number,
  claimed: number,
  place: ErrorPlace = {},
): number {
  const agrees = (size: number): boolean =>
    (size === -1 || columns % size === 0) && gemvZeroWords(columns, size) === zeroWords;
  if (agrees(claimed)) return claimed;
  const sizes = [32, 64, 128, 256, 512, 1024, -1].filter(agrees);
  if (sizes.length === 1) return sizes[0]!;
  throw new FormatError(
    `${zeroWords} words of zero points per row do not belong to ${columns} columns in groups of ${claimed}.`,
    { hint: `Group sizes that would: ${sizes.join(", ") || "none"}.`, ...place },
  );
}
