/** The search for the scales of one group: a maximum for all rows, and one of sixteen shares of it for each row. */
import { nearestLevel } from "./nearest-level.ts";
import { groupScales, half } from "./scales.ts";

/** Weights in a matrix of which one group is a band of columns. */
export interface GroupWeights {
  /** [rows, width], row-major. */
  readonly values: Float32Array;
  readonly rows: number;
  readonly width: number;
  /** The group's first column. */
  readonly start: number;
  /** How many columns it has. */
  readonly size: number;
  readonly bits: number;
  /**
   * How much a squared error in a column counts: [width]. Where that is not known, the cubes of errors are added: large
   * weights often meet large inputs, and cubes clip them less. In golden/kjv that lowers the error of the output.
   */
  readonly importance: Float32Array | undefined;
}

/** Shares of the largest step that are tried for the maximum. */
const MAXIMUMS: readonly number[] = /* @__PURE__ */ Array.from({ length: 12 }, (_, i) => 1.1 - 0.05 * i);

/** Rows that stand for all of them where the maximum is chosen. */
const SAMPLE_ROWS = 96;

/** A row tries the shares that are between these multiples of its own step without clipping: few bits profit from clipping. */
const LEAST: Readonly<Record<number, number>> = { 2: 0.35, 3: 0.5, 4: 0.6, 5: 0.7, 6: 0.75, 8: 0.85 };
const MOST = 1.15;

/** Rows whose shares of a maximum are to be chosen. */
export interface SharesWanted {
  /** Row numbers. */
  readonly rows: Int32Array;
  /** Each row's step without clipping, for all rows of the group. */
  readonly steps: Float32Array;
  /** The sixteen scales of the maximum, rising. */
  readonly scales: Float32Array;
  /** The sum need not be right where it is larger. */
  readonly limit: number;
}

/** Writes the best share of each row, in the order of `rows`; returns the sum of their errors. */
export type BestShares = (group: GroupWeights, wanted: SharesWanted, nibbles: Uint8Array) => number;

/** The shares of its step that a row of so many bits tries. */
export function triedShares(bits: number): { readonly least: number; readonly most: number } {
  return { least: LEAST[bits] ?? 0, most: MOST };
}

/**
 * The maximum and the shares with the least error; of equal ones the first. The maximum is chosen on
 * some rows, the share of a row on its own weights. Work: up to 12 maximums × 8 shares × the weights of the sampled
 * rows, and 10 shares × all weights.
 * @param nibbles receives S − 1 of each row
 * @returns what q_scale_max stores; undefined where it is too large for f16
 */
export function searchScales(
  group: GroupWeights,
  nibbles: Uint8Array,
  best: BestShares = bestShares,
): number | undefined {
  const { rows } = group;
  const steps = new Float32Array(rows);
  measureSteps(group, steps);
  const chosen = chooseMaximum(group, { rows: sampledRows(rows), steps }, largestOf(steps), best);
  if (chosen === undefined) return undefined;
  chooseShares(group, steps, chosen, nibbles, best);
  return chosen;
}

/**
 * What q_scale_max stores: by the rows of `sampledRows` and the largest step of all. 0 where all weights are 0, undefined where
 * it is too large for f16.
 */
export function chooseMaximum(
  group: GroupWeights,
  { rows, steps }: Pick<SharesWanted, "rows" | "steps">,
  largest: number,
  best: BestShares = bestShares,
): number | undefined {
  if (largest === 0) return 0;
  if (!Number.isFinite(half(largest))) return undefined;
  const ofSample = new Uint8Array(rows.length);
  let chosen = half(largest);
  let least = Number.POSITIVE_INFINITY;
  for (const share of MAXIMUMS) {
    const maximum = half(largest * share);
    if (!Number.isFinite(maximum)) continue;
    const wanted = { rows, steps, scales: groupScales(maximum), limit: least };
    const error = best(group, wanted, ofSample);
    if (error < least) {
      least = error;
      chosen = maximum;
    }
  }
  return chosen;
}

/** Writes S − 1 of each row of a group with this maximum. */
export function chooseShares(
  group: GroupWeights,
  steps: Float32Array,
  maximum: number,
  nibbles: Uint8Array,
  best: BestShares = bestShares,
): void {
  if (maximum === 0) {
    nibbles.fill(15);
    return;
  }
  const rows = Int32Array.from({ length: group.rows }, (_, row) => row);
  best(group, { rows, steps, scales: groupScales(maximum), limit: Number.POSITIVE_INFINITY }, nibbles);
}

/** The rows by which a maximum is chosen, spread evenly: all of them where there are few. */
export function sampledRows(rows: number): Int32Array {
  const count = Math.min(rows, SAMPLE_ROWS);
  return Int32Array.from({ length: count }, (_, i) => Math.floor((i * rows) / count));
}

export function largestOf(steps: Float32Array): number {
  let largest = 0;
  for (const step of steps) largest = Math.max(largest, step);
  return largest;
}

/** See `BestShares`. */
export function bestShares(
  group: GroupWeights,
  { rows, steps, scales, limit }: SharesWanted,
  nibbles: Uint8Array,
): number {
  let sum = 0;
  for (let i = 0; i < rows.length && sum < limit; i++) {
    const row = rows[i]!;
    const { nibble, error } = bestShare(group, row, steps[row]!, scales);
    nibbles[i] = nibble;
    sum += error;
  }
  return sum;
}

/** Writes each row's step without clipping: max|w| over half the codes. */
export function measureSteps(
  { values, rows, width, start, size, bits }: GroupWeights,
  steps: Float32Array,
): void {
  for (let row = 0; row < rows; row++) {
    let max = 0;
    for (let i = row * width + start, end = i + size; i < end; i++) {
      const magnitude = Math.abs(values[i]!);
      if (magnitude > max) max = magnitude;
    }
    steps[row] = max / ((2 ** bits - 1) / 2);
  }
}

function bestShare(
  group: GroupWeights,
  row: number,
  step: number,
  scales: Float32Array,
): { nibble: number; error: number } {
  const least = step * (LEAST[group.bits] ?? 0);
  let nibble = 0;
  let error = Number.POSITIVE_INFINITY;
  for (let candidate = 15; candidate >= 0; candidate--) {
    const scale = scales[candidate]!;
    if (scale > step * MOST && candidate > 0) continue;
    if (scale < least && error < Number.POSITIVE_INFINITY) break;
    const sum = rowError(group, row, scale, error);
    if (sum < error) {
      error = sum;
      nibble = candidate;
    }
  }
  return { nibble, error };
}

/** Σ importance × error², or Σ |error|³, of a row at a scale, or a part of it that is already above the limit. */
function rowError(
  { values, width, start, size, bits, importance }: GroupWeights,
  row: number,
  scale: number,
  limit: number,
): number {
  const zero = 2 ** (bits - 1);
  const inverse = scale === 0 ? 0 : 1 / scale;
  const from = row * width;
  let sum = 0;
  for (let i = start, end = start + size; i < end && sum < limit; i++) {
    const value = values[from + i]!;
    const difference = nearestLevel(value * inverse, zero) * scale - value;
    const square = difference * difference;
    sum += importance === undefined ? square * Math.abs(difference) : importance[i]! * square;
  }
  return sum;
}
