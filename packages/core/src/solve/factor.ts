import { ConversionError } from "../errors.ts";
import type { InputStatistics } from "./statistics.ts";

/** In which order error feedback visits the columns. */
export type ColumnOrder =
  /** As they lie. */
  | "sequential"
  /** The column with the largest activations first (act-order): its error is spread over all others. */
  | "act";

/** How a factor is made. */
export interface FactorOptions {
  readonly order: ColumnOrder;
  /** Added to the diagonal, as a share of its mean: larger values trust the text less. Default 0.01, as GPTQ. */
  readonly damping?: number | undefined;
}

/** What error feedback needs of the statistics of a layer; it depends on the inputs alone, so layers that share them share it. */
export interface SolveFactor {
  readonly columns: number;
  /** `order[i]` is the column that is visited as the i-th. */
  readonly order: Int32Array;
  /** U[i, j] for j ≥ i, row-major, in the order of visits; zero below: (moments + damping)⁻¹ = Uᵀ U. */
  readonly upper: Float32Array;
}

/** Attempts to factor before it is given up; each takes ten times the damping. */
const ATTEMPTS = 5;

/**
 * The upper Cholesky factor of the inverse of the damped second moments, columns in the order of visits. Columns that are
 * always zero get a diagonal of one: their weights are then rounded, and change nothing. Sums in f64.
 * Source: GPTQ (Frantar et al. 2022; IST-DASLab/gptq, gptq.py).
 * @throws ConversionError where the moments are not finite, or not those of any inputs
 */
export function solveFactor(statistics: InputStatistics, options: FactorOptions): SolveFactor {
  const { columns, moments } = statistics;
  const diagonal = Float64Array.from({ length: columns }, (_, i) => moments[i * (columns + 1)]!);
  const bad = diagonal.findIndex((value) => !(value >= 0 && value < Number.POSITIVE_INFINITY));
  if (bad >= 0) {
    throw new ConversionError(`The calibration statistics of column ${bad} are ${diagonal[bad]}.`, {
      hint: "An activation was not finite. Calibrate with the model in floats, or with another text.",
    });
  }
  const order = Int32Array.from({ length: columns }, (_, i) => i);
  if (options.order === "act") order.sort((a, b) => diagonal[b]! - diagonal[a]! || a - b);
  let mean = 0;
  for (const value of diagonal) mean += value / columns;
  let damping = options.damping ?? 0.01;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++, damping *= 10) {
    const matrix = new Float64Array(columns * columns);
    for (let i = 0; i < columns; i++) {
      const row = order[i]! * columns;
      for (let j = 0; j < columns; j++) matrix[i * columns + j] = moments[row + order[j]!]!;
      if (diagonal[order[i]!] === 0) matrix[i * (columns + 1)] = 1;
      matrix[i * (columns + 1)]! += damping * (mean === 0 ? 1 : mean);
    }
    const upper = inverseFactor(matrix, columns);
    if (upper !== undefined) return { columns, order, upper };
  }
  throw new ConversionError("The calibration statistics are not those of any inputs: they have no inverse.", {
    hint: "Calibrate with more text.",
  });
}

/**
 * U with A⁻¹ = Uᵀ U. With the order of rows and columns reversed, A = L Lᵀ gives A⁻¹ = L⁻ᵀ L⁻¹, whose reversal is the
 * wanted form, so one factoring and one inverse of a triangle are enough. Undefined where A is not positive.
 */
function inverseFactor(matrix: Float64Array, n: number): Float32Array | undefined {
  const lower = new Float64Array(n * n);
  const reversed = (i: number, j: number): number => matrix[(n - 1 - i) * n + (n - 1 - j)]!;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = reversed(i, j);
      for (let k = 0; k < j; k++) sum -= lower[i * n + k]! * lower[j * n + k]!;
      if (i !== j) lower[i * n + j] = sum / lower[j * n + j]!;
      else if (sum > 0) lower[i * n + i] = Math.sqrt(sum);
      else return undefined;
    }
  }
  const inverse = new Float64Array(n * n);
  for (let column = 0; column < n; column++) {
    inverse[column * n + column] = 1 / lower[column * n + column]!;
    for (let i = column + 1; i < n; i++) {
      let sum = 0;
      for (let k = column; k < i; k++) sum -= lower[i * n + k]! * inverse[k * n + column]!;
      inverse[i * n + column] = sum / lower[i * n + i]!;
    }
  }
  const upper = new Float32Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = i; j < n; j++) upper[i * n + j] = inverse[(n - 1 - i) * n + (n - 1 - j)]!;
  }
  return upper;
}
