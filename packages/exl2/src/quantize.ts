import { ConversionError, roundHalfEven, UsageError } from "@requant/core";
import type { Exl2Integers } from "./integers.ts";
import { type Exl2Recipe, recipeGroups } from "./recipes.ts";
import { groupScales, half } from "./scales.ts";

/** Candidates of the search for a group's scale, as shares of the scale without clipping. */
const SEARCH: readonly number[] = Array.from({ length: 97 }, (_, i) => 0.7 + (0.5 * i) / 96);

/** One of them: errors of random weights are small around it. */
const NEAR_BEST = SEARCH[52] ?? 1;

/** What `quantizeExl2` can use besides the weights. */
export interface QuantizeExl2Options {
  /**
   * How much each column of W matters: the diagonal of the Hessian where activations were measured. Default: the sum of
   * the squares of a column's weights. The columns that matter most get the larger widths.
   */
  readonly importance?: Float32Array | undefined;
}

/**
 * Round to nearest with exllamav2's scales: in each group a row's step is max|w| / (2^bits − 1) × 2; the largest of all
 * rows is stored, the others as shares S²/256 of it; 97 multiples of the stored step are tried for the least Σ
 * |error|^3.5. Columns stay in order where one width serves all of them.
 * @throws ConversionError for weights that are not finite (its `index` is the weight's), or sizes that cannot be grouped in whole words
 */
export function quantizeExl2(
  values: Float32Array,
  rows: number,
  columns: number,
  recipe: Exl2Recipe,
  options: QuantizeExl2Options = {},
): Exl2Integers {
  if (values.length !== rows * columns) {
    throw new UsageError(`${values.length} values are not ${rows} rows of ${columns}.`);
  }
  if (columns % 32 !== 0) {
    throw new ConversionError(`EXL2 packs columns in 32s; ${columns} are not.`, {
      hint: "Leave this weight in a float type.",
    });
  }
  refuseNonFinite(values, columns);
  const groups = recipeGroups(recipe, columns);
  const order = recipe.widths.length > 1 ? columnOrder(values, rows, columns, options.importance) : undefined;
  const invperm = new Int32Array(columns);
  for (let stored = 0; stored < columns; stored++) invperm[order?.[stored] ?? stored] = stored;

  const codes = new Uint8Array(rows * columns);
  const nibbles = new Uint8Array(groups.length * rows);
  const maxScales = new Float32Array(groups.length);
  let start = 0;
  groups.forEach(({ bits, rows: size }, group) => {
    const source = Int32Array.from({ length: size }, (_, i) => order?.[start + i] ?? start + i);
    const steps = rowSteps(values, rows, columns, source, bits);
    const largest = steps.reduce((a, b) => Math.max(a, b), 0);
    for (let row = 0; row < rows; row++) {
      const s = largest === 0 ? 16 : roundHalfEven(16 * Math.sqrt(steps[row]! / largest));
      nibbles[group * rows + row] = Math.max(1, Math.min(16, s)) - 1;
    }
    const ofGroup = nibbles.subarray(group * rows, (group + 1) * rows);
    // q_scale_max holds 256 times the scale of S = 16, but for the share: S² = 256 cancels the division
    if (!Number.isFinite(half(largest))) {
      throw new ConversionError(`Steps of ${largest} are too large for an f16 scale.`, {
        hint: "Keep this tensor in a float type.",
        index: largestIndex(values, rows, columns, source),
      });
    }
    const gathered = gather(values, rows, columns, source);
    const maxScale = bestMaxScale(gathered, rows, bits, ofGroup, largest);
    maxScales[group] = maxScale;
    const scales = groupScales(maxScale);
    for (let row = 0; row < rows; row++) {
      const scale = scales[ofGroup[row]!]!;
      for (let i = 0; i < size; i++) {
        codes[row * columns + start + i] = codeOf(values[row * columns + source[i]!]!, scale, bits);
      }
    }
    start += size;
  });
  return { rows, groups, invperm, codes, nibbles, maxScales };
}

/** Columns by falling importance; equal ones stay in order. */
function columnOrder(
  values: Float32Array,
  rows: number,
  columns: number,
  importance: Float32Array | undefined,
): Int32Array {
  const weight = importance ?? new Float32Array(columns);
  if (weight.length !== columns) {
    throw new UsageError(`${weight.length} importances were given for ${columns} columns.`);
  }
  if (importance === undefined) {
    for (let row = 0, at = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, at++)
        weight[column] = weight[column]! + values[at]! ** 2;
    }
  }
  return Int32Array.from({ length: columns }, (_, column) => column).sort(
    (a, b) => weight[b]! - weight[a]! || a - b,
  );
}

/** In the order of rows, not of groups, so that the error names the first such weight. */
function refuseNonFinite(values: Float32Array, columns: number): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isFinite(value)) continue;
    throw new ConversionError(
      `Row ${Math.floor(i / columns)} has a weight that is ${value}; only finite weights can be quantized.`,
      { hint: "Keep this tensor in a float type.", index: i },
    );
  }
}

/** The largest weight in some columns. */
function largestIndex(values: Float32Array, rows: number, columns: number, source: Int32Array): number {
  let largest = source[0] ?? 0;
  for (let row = 0; row < rows; row++) {
    for (const column of source) {
      const i = row * columns + column;
      if (Math.abs(values[i]!) > Math.abs(values[largest]!)) largest = i;
    }
  }
  return largest;
}

/** Each row's step without clipping: max|w| over half the codes. */
function rowSteps(
  values: Float32Array,
  rows: number,
  columns: number,
  source: Int32Array,
  bits: number,
): Float32Array {
  const steps = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    let max = 0;
    for (const column of source) {
      max = Math.max(max, Math.abs(values[row * columns + column]!));
    }
    steps[row] = max / ((2 ** bits - 1) / 2);
  }
  return steps;
}

/** `gathered`: the group's columns side by side, row by row. */
function bestMaxScale(
  gathered: Float32Array,
  rows: number,
  bits: number,
  nibbles: Uint8Array,
  largest: number,
): number {
  const width = gathered.length / rows;
  /** The error of a candidate, or a part of it that is already above the limit. */
  const errorOf = (candidate: number, limit: number): number => {
    const scales = groupScales(candidate);
    let error = 0;
    for (let row = 0, at = 0; row < rows && error <= limit; row++, at += width) {
      error += rowError(gathered, at, at + width, scales[nibbles[row]!]!, bits);
    }
    return error;
  };
  let best = half(largest);
  // near the best one, so that most candidates are above it after few rows; the first of equal ones is still taken
  const near = half(largest * NEAR_BEST);
  const limit = Number.isFinite(near) ? errorOf(near, Infinity) : Infinity;
  let least = Infinity;
  for (const share of SEARCH) {
    const candidate = half(largest * share);
    if (!Number.isFinite(candidate)) continue;
    const error = errorOf(candidate, Math.min(limit, least));
    if (error < least && error <= limit) {
      least = error;
      best = candidate;
    }
  }
  return best;
}

/** Copies the group's columns side by side, since the search reads them 97 times. */
function gather(values: Float32Array, rows: number, columns: number, source: Int32Array): Float32Array {
  const gathered = new Float32Array(rows * source.length);
  for (let row = 0, to = 0; row < rows; row++) {
    for (let i = 0; i < source.length; i++, to++) gathered[to] = values[row * columns + source[i]!]!;
  }
  return gathered;
}

/** Adding and taking away 1.5 × 2^52 leaves a double rounded to the nearest integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;

/** Σ |error|^3.5 of one row, the power as a³ √a: the innermost loop of the search. */
function rowError(values: Float32Array, start: number, end: number, scale: number, bits: number): number {
  const min = -(2 ** (bits - 1));
  const max = -min - 1;
  let sum = 0;
  for (let i = start; i < end; i++) {
    const value = values[i]!;
    let code = scale === 0 ? 0 : value / scale + ROUND - ROUND;
    if (code < min) code = min;
    else if (code > max) code = max;
    const difference = Math.abs(code * scale - value);
    sum += difference * difference * difference * Math.sqrt(difference);
  }
  return sum;
}

function codeOf(value: number, scale: number, bits: number): number {
  const zero = 2 ** (bits - 1);
  if (scale === 0) return zero;
  return Math.max(0, Math.min(2 ** bits - 1, roundHalfEven(value / scale) + zero));
}
