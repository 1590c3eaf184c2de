import { ConversionError, UsageError } from "../errors.ts";
import { ROUND_TO } from "../numeric/float-rounding.ts";
import { roundHalfEven } from "../numeric/round.ts";
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
   * Try smaller ranges, down to a fifth in 80 steps, and keep the one with the least Σ |error|^exponent: clipping a few
   * outliers can serve the rest. GPTQ uses 2.4.
   */
  readonly searchExponent?: number | undefined;
  /** Asymmetric: the smallest zero point that can be stored; default 0. */
  readonly minZero?: number | undefined;
}

const SEARCH_STEPS = 80;

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
): IntegerView {
  const { bits, groupSize, symmetric } = options;
  if (values.length !== rows * columns) {
    throw new UsageError(`${values.length} values are not ${rows} rows of ${columns}.`);
  }
  if (!(Number.isInteger(bits) && bits >= 2 && bits <= 8)) {
    throw new UsageError(`Codes of ${bits} bits are not possible: 2 to 8 are.`);
  }
  if (!(groupSize === -1 || (Number.isInteger(groupSize) && groupSize > 0))) {
    throw new UsageError(`A group of ${groupSize} columns makes no sense; −1 means one group per row.`);
  }
  const maxCode = 2 ** bits - 1;
  const size = groupSize === -1 ? columns : groupSize;
  const groupCount = Math.ceil(columns / size);
  const codes = new Uint8Array(rows * columns);
  const scales = new Float32Array(rows * groupCount);
  const zeros = new Int16Array(rows * groupCount);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let group = 0; group < groupCount; group++, at++) {
      const start = row * columns + group * size;
      const end = Math.min(start + size, (row + 1) * columns);
      const range = rangeOf(values, start, end, symmetric, row);
      let best = stepOf(range, 1, maxCode, options);
      if (options.searchExponent !== undefined) {
        const ofGroup = values.subarray(start, end);
        let least = errorOf(ofGroup, best, maxCode, options.searchExponent);
        for (let i = 1; i < SEARCH_STEPS; i++) {
          const step = stepOf(range, 1 - i / 100, maxCode, options);
          const error = errorOf(ofGroup, step, maxCode, options.searchExponent, least);
          if (error < least) {
            least = error;
            best = step;
          }
        }
      }
      if (!Number.isFinite(best.scale)) {
        throw new ConversionError(
          `Row ${row} has weights up to ${Math.max(-range.min, range.max)}, too large for a scale in ${options.scale}.`,
          { hint: "Keep this tensor in a float type.", index: largestIndex(values, start, end) },
        );
      }
      scales[at] = best.scale;
      zeros[at] = best.zero;
      for (let i = start; i < end; i++) codes[i] = codeOf(values[i]!, best, maxCode);
    }
  }
  return {
    rows,
    columns,
    groupCount,
    groupOfColumn: sequentialGroups(columns, groupSize),
    codes,
    scales,
    zeros,
    rounding: "none",
  };
}

interface Range {
  readonly min: number;
  readonly max: number;
}

interface Step {
  readonly scale: number;
  readonly zero: number;
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

function stepOf({ min, max }: Range, share: number, maxCode: number, options: QuantizeViewOptions): Step {
  const scale = ROUND_TO[options.scale](((max - min) * share) / maxCode);
  if (options.symmetric) return { scale, zero: (maxCode + 1) / 2 };
  const minZero = options.minZero ?? 0;
  // scale 0: weights below the smallest f16, which all become 0
  const zero = scale === 0 ? minZero : roundHalfEven((-min * share) / scale);
  if (zero >= minZero) return { scale, zero: Math.min(maxCode, zero) };
  // fewer codes are left above the zero point, so the steps must be larger
  return { scale: ROUND_TO[options.scale]((max * share) / (maxCode - minZero)), zero: minZero };
}

function codeOf(value: number, { scale, zero }: Step, maxCode: number): number {
  if (scale === 0) return zero;
  return Math.max(0, Math.min(maxCode, roundHalfEven(value / scale) + zero));
}

function errorOf(
  values: Float32Array,
  step: Step,
  maxCode: number,
  exponent: number,
  limit = Number.POSITIVE_INFINITY,
): number {
  let sum = 0;
  // past the limit the exact sum does not matter
  for (let i = 0; i < values.length && sum < limit; i++) {
    const value = values[i]!;
    sum += Math.abs(step.scale * (codeOf(value, step, maxCode) - step.zero) - value) ** exponent;
  }
  return sum;
}
