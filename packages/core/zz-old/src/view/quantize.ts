import { ConversionError, UsageError } from "../errors.ts";
import { ROUND_TO } from "../numeric/float-rounding.ts";
import { roundHalfEven } from "../numeric/round.ts";
import { type Step, type StepRules, searchStep } from "./grid-search.ts";
import { type IntegerView, sequentialGroups } from "./integer-view.ts";

/** How floats become a view. */
export interface QuantizeViewOptions {
  readonly bits: number;
  /** Columns per group, the last may be short; −1: one group per row. */
  readonly groupSize: number;
  /** True: the zero point is the middle code, 2^(bits − 1). */
  readonly symmetric: boolean;
  /** What scales are stored in; they are rounded to it before codes are chosen. */
  readonly scale: "F16" | "BF16" | "F32";
  /**
   * Search each group's scale and zero point for the least Σ importance × error²: clipping a few outliers can serve the
   * rest (grid-search.ts).
   */
  readonly search?: boolean | undefined;
  /** For the search: how much the error of each column counts, mean x² of its inputs; all alike by default. */
  readonly importance?: Float32Array | undefined;
  /** Asymmetric: the smallest zero point that can be stored; default 0. */
  readonly minZero?: number | undefined;
}

/** The steps of whole rows, group by group. */
export interface RowSteps {
  /** `values[row × columns + column]`, finite. */
  readonly values: Float32Array;
  readonly columns: number;
  /** Columns of a group; the last may be short. */
  readonly size: number;
  readonly importance: Float32Array;
  readonly scales: Float32Array;
  readonly zeros: Int16Array;
}

/** Replaces steps by better ones. */
export type SearchSteps = (steps: RowSteps, rules: StepRules) => void;

/** One group at a time. */
export const searchSteps: SearchSteps = ({ values, columns, size, importance, scales, zeros }, rules) => {
  for (let start = 0, at = 0; start < values.length; start += columns) {
    for (let column = 0; column < columns; column += size, at++) {
      const end = Math.min(columns, column + size);
      const own = values.subarray(start + column, start + end);
      const first = { scale: scales[at]!, zero: zeros[at]! };
      const best = searchStep(own, importance.subarray(column, end), first, rules);
      scales[at] = best.scale;
      zeros[at] = best.zero;
    }
  }
};

/**
 * Round to nearest: each group's range, zero included, is divided into 2^bits − 1 steps, and each weight takes the
 * nearest code. Symmetric: scale = 2 max|w| / (2^bits − 1). Asymmetric: scale = (max − min) / (2^bits − 1), zero point
 * round(−min / scale). The error is at most half a step, plus what rounding the scale adds. Calibrated solvers make
 * views, too; encoders treat all views alike. Source of the rule: GPTQ (IST-DASLab/gptq, quant.py).
 * @throws ConversionError for weights that are not finite, or too large for the scale's type; its `index` is the weight's
 */
export function quantizeView(
  values: Float32Array,
  rows: number,
  columns: number,
  options: QuantizeViewOptions,
  search: SearchSteps = searchSteps,
): IntegerView {
  checkOptions(values, rows, columns, options);
  const { bits, groupSize, symmetric, importance } = options;
  const maxCode = 2 ** bits - 1;
  const size = groupSize === -1 ? columns : groupSize;
  const groupCount = Math.ceil(columns / size);
  const codes = new Uint8Array(rows * columns);
  const scales = new Float32Array(rows * groupCount);
  const zeros = new Int16Array(rows * groupCount);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let start = row * columns; start < (row + 1) * columns; start += size, at++) {
      const end = Math.min(start + size, (row + 1) * columns);
      const range = rangeOf(values, start, end, symmetric, row);
      const step = stepOf(range, maxCode, options);
      if (!Number.isFinite(step.scale)) {
        throw new ConversionError(
          `Row ${row} has weights up to ${Math.max(-range.min, range.max)}, too large for a scale in ${options.scale}.`,
          { hint: "Keep this tensor in a float type.", index: largestIndex(values, start, end) },
        );
      }
      scales[at] = step.scale;
      zeros[at] = step.zero;
    }
  }
  if (options.search === true) {
    const rules = { maxCode, symmetric, minZero: options.minZero ?? 0, scale: options.scale };
    const weights = importance ?? new Float32Array(columns).fill(1);
    search({ values, columns, size, importance: weights, scales, zeros }, rules);
  }
  for (let row = 0, at = 0; row < rows; row++) {
    for (let start = row * columns; start < (row + 1) * columns; start += size, at++) {
      const step = { scale: scales[at]!, zero: zeros[at]! };
      const end = Math.min(start + size, (row + 1) * columns);
      for (let i = start; i < end; i++) codes[i] = codeOf(values[i]!, step, maxCode);
    }
  }
  const groupOfColumn = sequentialGroups(columns, groupSize);
  return { rows, columns, groupCount, groupOfColumn, codes, scales, zeros, rounding: "none" };
}

function checkOptions(
  values: Float32Array,
  rows: number,
  columns: number,
  { bits, groupSize, importance }: QuantizeViewOptions,
): void {
  if (values.length !== rows * columns) {
    throw new UsageError(`${values.length} values are not ${rows} rows of ${columns}.`);
  }
  if (!(Number.isInteger(bits) && bits >= 2 && bits <= 8)) {
    throw new UsageError(`Codes of ${bits} bits are not possible: 2 to 8 are.`);
  }
  if (!(groupSize === -1 || (Number.isInteger(groupSize) && groupSize > 0))) {
    throw new UsageError(`A group of ${groupSize} columns makes no sense; −1 means one group per row.`);
  }
  if (importance !== undefined && importance.length !== columns) {
    throw new UsageError(`The importance of ${importance.length} columns was given for ${columns}.`);
  }
}

interface Range {
  readonly min: number;
  readonly max: number;
}

function rangeOf(values: Float32Array, start: number, end: number, symmetric: boolean, row: number): Range {
  let min = 0;
  let max = 0;
  for (let i = start; i < end; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) {
      throw new ConversionError(
        `Row ${row} has a weight that is ${value}; only finite weights can be quantized.`,
        {
          hint: "Keep this tensor in a float type.",
          index: i,
        },
      );
    }
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (min === 0 && max === 0) return { min: -1, max: 1 };
  if (!symmetric) return { min, max };
  const magnitude = Math.max(-min, max);
  return { min: -magnitude, max: magnitude };
}

/** The value that decides the range of a group. */
function largestIndex(values: Float32Array, start: number, end: number): number {
  let largest = start;
  for (let i = start; i < end; i++) if (Math.abs(values[i]!) > Math.abs(values[largest]!)) largest = i;
  return largest;
}

function stepOf({ min, max }: Range, maxCode: number, options: QuantizeViewOptions): Step {
  const scale = ROUND_TO[options.scale]((max - min) / maxCode);
  if (options.symmetric) return { scale, zero: (maxCode + 1) / 2 };
  const minZero = options.minZero ?? 0;
  // scale 0: weights below the smallest f16, which all become 0
  const zero = scale === 0 ? minZero : roundHalfEven(-min / scale);
  if (zero >= minZero) return { scale, zero: Math.min(maxCode, zero) };
  // fewer codes are left above the zero point, so the steps must be larger
  return { scale: ROUND_TO[options.scale](max / (maxCode - minZero)), zero: minZero };
}

function codeOf(value: number, { scale, zero }: Step, maxCode: number): number {
  if (scale === 0) return zero;
  return Math.max(0, Math.min(maxCode, roundHalfEven(value / scale) + zero));
}
