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

/** Whole rows in groups of columns. */
export interface RowGroups {
  /** `values[row × columns + column]` */
  readonly values: Float32Array;
  readonly columns: number;
  /** Columns of a group; the last may be short. */
  readonly size: number;
}

/** The steps of whole rows, group by group. The values are finite. */
export interface RowSteps extends RowGroups {
  readonly importance: Float32Array;
  readonly scales: Float32Array;
  readonly zeros: Int16Array;
}

/** Between which values those of each group lie, 0 included. */
export interface GroupRanges {
  readonly least: Float32Array;
  /** NaN where a value of the group is not finite. */
  readonly most: Float32Array;
}

/** The parts of `quantizeView` that see every value. The SIMD twin passes kernels that do the same. */
export interface QuantizeTools {
  /** Replaces steps by better ones. */
  search(steps: RowSteps, rules: StepRules): void;
  findRanges(groups: RowGroups, ranges: GroupRanges): void;
  /** The code of each value, at most `maxCode`. */
  chooseCodes(steps: Omit<RowSteps, "importance">, maxCode: number, codes: Uint8Array): void;
}

/** One group at a time. */
export function searchSteps(steps: RowSteps, rules: StepRules): void {
  const { values, importance, scales, zeros } = steps;
  for (const { at, start, end, column } of groupsIn(steps)) {
    const first = { scale: scales[at]!, zero: zeros[at]! };
    const own = importance.subarray(column, column + end - start);
    const best = searchStep(values.subarray(start, end), own, first, rules);
    scales[at] = best.scale;
    zeros[at] = best.zero;
  }
}

/** See `QuantizeTools`. */
export function findRanges(groups: RowGroups, { least, most }: GroupRanges): void {
  const { values } = groups;
  for (const { at, start, end } of groupsIn(groups)) {
    let min = 0;
    let max = 0;
    for (let i = start; i < end; i++) {
      const value = values[i]!;
      if (value < min) min = value;
      // NaN stays: no number is larger
      if (value > max || !Number.isFinite(value)) max = Number.isFinite(value) ? value : Number.NaN;
    }
    least[at] = min;
    most[at] = max;
  }
}

/** See `QuantizeTools`. */
export function chooseCodes(steps: Omit<RowSteps, "importance">, maxCode: number, codes: Uint8Array): void {
  const { values, scales, zeros } = steps;
  for (const { at, start, end } of groupsIn(steps)) {
    const step = { scale: scales[at]!, zero: zeros[at]! };
    for (let i = start; i < end; i++) codes[i] = codeOf(values[i]!, step, maxCode);
  }
}

interface GroupPlace {
  /** Number of the group, and where its values are. */
  readonly at: number;
  readonly start: number;
  readonly end: number;
  /** The first column. */
  readonly column: number;
}

function* groupsIn({ values, columns, size }: RowGroups): Generator<GroupPlace> {
  for (let row = 0, at = 0; row < values.length; row += columns) {
    for (let column = 0; column < columns; column += size, at++) {
      yield { at, start: row + column, end: row + Math.min(columns, column + size), column };
    }
  }
}

const inTypeScript: QuantizeTools = { search: searchSteps, findRanges, chooseCodes };

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
  { search, findRanges, chooseCodes }: QuantizeTools = inTypeScript,
): IntegerView {
  checkOptions(values, rows, columns, options);
  const { bits, groupSize, symmetric, importance } = options;
  const maxCode = 2 ** bits - 1;
  const size = groupSize === -1 ? columns : groupSize;
  const groupCount = Math.ceil(columns / size);
  const codes = new Uint8Array(rows * columns);
  const scales = new Float32Array(rows * groupCount);
  const zeros = new Int16Array(rows * groupCount);
  const groups = { values, columns, size };
  const ranges = { least: new Float32Array(scales.length), most: new Float32Array(scales.length) };
  findRanges(groups, ranges);
  for (let at = 0; at < scales.length; at++) {
    const [min, max] = [ranges.least[at]!, ranges.most[at]!];
    const row = Math.floor(at / groupCount);
    const start = row * columns + (at % groupCount) * size;
    if (Number.isNaN(max)) throw notFinite(values, start, row);
    const step = stepOf(rangeOf(min, max, symmetric), maxCode, options);
    if (!Number.isFinite(step.scale)) {
      const end = Math.min(start + size, (row + 1) * columns);
      throw new ConversionError(
        `Row ${row} has weights up to ${Math.max(-min, max)}, too large for a scale in ${options.scale}.`,
        { hint: "Keep this tensor in a float type.", index: largestIndex(values, start, end) },
      );
    }
    scales[at] = step.scale;
    zeros[at] = step.zero;
  }
  if (options.search === true) {
    const rules = { maxCode, symmetric, minZero: options.minZero ?? 0, scale: options.scale };
    const weights = importance ?? new Float32Array(columns).fill(1);
    search({ ...groups, importance: weights, scales, zeros }, rules);
  }
  chooseCodes({ ...groups, scales, zeros }, maxCode, codes);
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

function notFinite(values: Float32Array, start: number, row: number): ConversionError {
  let index = start;
  while (Number.isFinite(values[index])) index++;
  return new ConversionError(
    `Row ${row} has a weight that is ${values[index]}; only finite weights can be quantized.`,
    { hint: "Keep this tensor in a float type.", index },
  );
}

function rangeOf(min: number, max: number, symmetric: boolean): Range {
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
