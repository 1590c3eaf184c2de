import { ConversionError, UsageError } from "@requant/core";
import { checkStatistics, type MeasuredLayer, squaredOutput } from "@requant/core/solve";
import { columnsPerGroup, type GroupRounding, roundGroup } from "./round-groups.ts";

/** How scales are searched. */
export interface ScaleSearch extends GroupRounding {
  /** Divide by the size of the weights, too, and not only multiply by that of the activations. Default true. */
  readonly duo?: boolean | undefined;
  /**
   * `sharedColumn[column]` numbers the scale that the column has: columns with the same number get the same scale (query heads that read
   * one value head). Absent: each column has its own.
   */
  readonly sharedColumn?: Int32Array | undefined;
  /** Rows of each layer whose loss is measured, spread evenly. Default: 2^19 weights, of 64 to 256 rows. */
  readonly maxRows?: number | undefined;
}

/** What the search found. */
export interface FoundScales {
  /** A number of `RATIOS`. */
  readonly ratio: number;
  /** Per column: the weights are multiplied by it, and the inputs divided. */
  readonly scales: Float32Array;
  /** Mean squared error of an output, for each of `RATIOS`. */
  readonly losses: Float64Array;
}

const STEPS = 20;

/** Exponents that are tried: 0, 0.05, … 0.95. */
export const RATIOS: readonly number[] = /* @__PURE__ */ Array.from(
  { length: STEPS },
  (_, step) => step / STEPS,
);

const fround = Math.fround;
const LEAST = /* @__PURE__ */ fround(1e-4);

/**
 * AWQ's scales for layers that read the same inputs: s = mean|x|^r / (mean|w|^(1 − r) + 1e-4), with the r whose rounded
 * weights change the outputs least. mean|w| is that of weights as shares of the largest one of their group. Differs from
 * AutoAWQ in that the outputs are those of the linear layers, and not of the attention or feed-forward block around them,
 * and that columns which no token used keep the scale 1.
 * Source: AutoAWQ, awq/quantize/quantizer.py (`_search_best_scale`, `_compute_best_scale`); Lin et al. 2023.
 * @throws UsageError where the layers do not fit together; ConversionError where weights or statistics are not finite
 */
export function searchScales(layers: readonly MeasuredLayer[], search: ScaleSearch): FoundScales {
  const columns = checkLayers(layers, search);
  const inputs = sharedMeans(meanInput(layers, columns), search.sharedColumn);
  const weights = sharedMeans(meanWeight(layers, columns, search), search.sharedColumn);
  const losses = new Float64Array(STEPS);
  let best: FoundScales | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const [step, ratio] of RATIOS.entries()) {
    const scales = scalesOf(inputs, weights, ratio, search.duo !== false);
    const loss = lossOf(layers, columns, scales, search);
    losses[step] = loss;
    if (loss < least) {
      least = loss;
      best = { ratio, scales, losses };
    }
  }
  if (best === undefined) {
    throw new ConversionError("No scale makes the outputs finite.", {
      hint: "A weight or an activation is not finite: calibrate with the model in floats.",
    });
  }
  return best;
}

function checkLayers(layers: readonly MeasuredLayer[], search: ScaleSearch): number {
  const columns = layers[0]?.statistics.columns ?? 0;
  if (columns === 0) throw new UsageError("There is no layer to search scales for.");
  const { sharedColumn } = search;
  if (columns % columnsPerGroup(search, columns) !== 0 || (sharedColumn && sharedColumn.length !== columns)) {
    throw new UsageError(
      `${columns} columns do not fit groups of ${search.groupSize}, or their shared scales.`,
    );
  }
  for (const { values, rows, statistics } of layers) {
    checkStatistics(statistics);
    if (statistics.columns !== columns || values.length !== rows * columns) {
      throw new UsageError(`${values.length} values are not ${rows} rows of ${columns}.`);
    }
  }
  return columns;
}

/** Mean |x| over the tokens of all layers, those with the same statistics counted once. */
function meanInput(layers: readonly MeasuredLayer[], columns: number): Float32Array {
  const distinct = new Set(layers.map(({ statistics }) => statistics));
  const [only] = distinct;
  if (distinct.size === 1 && only !== undefined) return only.meanAbs;
  const sum = new Float64Array(columns);
  let tokens = 0;
  for (const statistics of distinct) {
    tokens += statistics.tokens;
    for (let column = 0; column < columns; column++)
      sum[column]! += statistics.tokens * statistics.meanAbs[column]!;
  }
  return Float32Array.from(sum, (value) => (tokens === 0 ? 0 : value / tokens));
}

/** Mean over rows of |w|, each as a share of the largest one of its group. */
function meanWeight(
  layers: readonly MeasuredLayer[],
  columns: number,
  rounding: GroupRounding,
): Float32Array {
  const size = columnsPerGroup(rounding, columns);
  const sum = new Float64Array(columns);
  let rows = 0;
  for (const { values, rows: own } of layers) {
    rows += own;
    for (let start = 0; start < values.length; start += size) {
      let largest = 0;
      for (let i = start; i < start + size; i++) largest = Math.max(largest, Math.abs(values[i]!));
      const share = fround(largest + fround(1e-6));
      const column = start % columns;
      for (let i = 0; i < size; i++) sum[column + i]! += fround(Math.abs(values[start + i]!) / share);
    }
  }
  return Float32Array.from(sum, (value) => value / rows);
}

/** The mean over the columns that share a number, at each of them. */
function sharedMeans(values: Float32Array, sharedColumn: Int32Array | undefined): Float32Array {
  if (sharedColumn === undefined) return values;
  const sums = new Float64Array(values.length);
  const counts = new Float64Array(values.length);
  for (const [column, shared] of sharedColumn.entries()) {
    sums[shared]! += values[column]!;
    counts[shared]! += 1;
  }
  return Float32Array.from(sharedColumn, (shared) => sums[shared]! / counts[shared]!);
}

function scalesOf(inputs: Float32Array, weights: Float32Array, ratio: number, duo: boolean): Float32Array {
  const scales = new Float32Array(inputs.length).fill(1);
  let min = Number.POSITIVE_INFINITY;
  let max = 0;
  for (let column = 0; column < scales.length; column++) {
    if (!(inputs[column]! > 0)) continue;
    const input = fround(inputs[column]! ** fround(ratio));
    const divisor = duo ? fround(fround(weights[column]! ** fround(1 - ratio)) + LEAST) : 1;
    const scale = Math.max(LEAST, fround(input / divisor));
    scales[column] = scale;
    min = Math.min(min, scale);
    max = Math.max(max, scale);
  }
  if (max === 0) return scales;
  const middle = fround(Math.sqrt(fround(max * min)));
  for (let column = 0; column < scales.length; column++) {
    const scale = inputs[column]! > 0 ? fround(scales[column]! / middle) : 1;
    scales[column] = Number.isFinite(scale) ? scale : 1;
  }
  return scales;
}

/** Weights of a layer whose loss is measured: the time grows with them and with the columns. */
const MEASURED_WEIGHTS = 2 ** 19;
const MOST_ROWS = 256;
const LEAST_ROWS = 64;

function measuredRows(rows: number, columns: number, { maxRows }: ScaleSearch): number {
  const usual = Math.floor(MEASURED_WEIGHTS / columns);
  return Math.min(rows, maxRows ?? Math.max(LEAST_ROWS, Math.min(MOST_ROWS, usual)));
}

/** Mean squared error of an output, over tokens and rows. */
function lossOf(
  layers: readonly MeasuredLayer[],
  columns: number,
  scales: Float32Array,
  search: ScaleSearch,
): number {
  let sum = 0;
  let outputs = 0;
  for (const { values, rows, statistics } of layers) {
    const measured = measuredRows(rows, columns, search);
    const differences = new Float32Array(measured * columns);
    for (let i = 0; i < measured; i++) {
      const row = Math.floor((i * rows) / measured);
      const weights = values.subarray(row * columns, (row + 1) * columns);
      addedByRounding(weights, scales, search, differences.subarray(i * columns, (i + 1) * columns));
    }
    const error = squaredOutput(differences, statistics);
    sum += statistics.tokens * error * (rows / measured);
    outputs += statistics.tokens * rows;
  }
  return outputs === 0 ? 0 : sum / outputs;
}

/** What rounding the scaled weights of a row changes in them, without the scales again. */
function addedByRounding(
  weights: Float32Array,
  scales: Float32Array,
  rounding: GroupRounding,
  out: Float32Array,
): void {
  const size = columnsPerGroup(rounding, weights.length);
  const scaled = weights.map((weight, column) => weight * scales[column]!);
  for (let start = 0; start < weights.length; start += size)
    roundGroup(scaled, start, start + size, rounding.symmetric === true, out, start);
  for (let column = 0; column < weights.length; column++)
    out[column] = fround(out[column]! / scales[column]!) - weights[column]!;
}
