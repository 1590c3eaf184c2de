import { type ByteSink, elementCount, rowLength as rowLengthOf, UsageError } from "@requant/core";
import { openWeight, plannedSources, type WeightPlan } from "@requant/models";
import { floatBytes } from "../model/float-bytes.ts";
import type { Model } from "../model/model.ts";
import { refuseUnclaimedTensor } from "../model/packed-sources.ts";
import { bandMemory, type RowBand, rowBands } from "../model/row-bands.ts";
import { weightSource } from "../model/weight-source.ts";
import { namedWeight } from "./named-weights.ts";

/** Which rows of a tensor are read. */
export interface DumpOptions {
  /** Rows of the tensor seen as `rowCount × rowLength`; all by default. */
  readonly rows?: RowBand | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Which rows are counted, and how finely. */
export interface StatisticsOptions extends DumpOptions {
  /** Bars of the histogram. Default 32. */
  readonly bins?: number | undefined;
  /**
   * Called with each piece of rows, in both passes, and awaited: for progress, and for figures of one's own. The values are
   * valid until it returns.
   */
  readonly onRows?:
    | ((values: Float32Array, rows: RowBand, pass: StatisticsPass) => void | Promise<void>)
    | undefined;
}

/** The first pass finds the range, the second counts within it. */
export type StatisticsPass = "range" | "histogram";

/** Statistics and a histogram of a tensor's dequantized values. */
export interface TensorStatistics {
  readonly name: string;
  readonly shape: readonly number[];
  readonly encoding: string;
  readonly rows: RowBand;
  readonly count: number;
  /** Over the finite values, like all figures below; NaN when there are none. */
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly standardDeviation: number;
  readonly rms: number;
  readonly zeros: number;
  readonly nans: number;
  readonly infinities: number;
  /** Equal steps from `start` to `end`; the last one includes its end. */
  readonly histogram: { readonly start: number; readonly end: number; readonly counts: readonly number[] };
}

function rowRange(tensor: WeightPlan, rows: RowBand | undefined): RowBand {
  const length = rowLengthOf(tensor.shape);
  const count = length === 0 ? 0 : elementCount(tensor.shape) / length;
  const { start, end } = rows ?? { start: 0, end: count };
  if (
    !(Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end && end <= count)
  ) {
    throw new UsageError(`Rows ${start}:${end} are not inside the ${count} rows of the tensor.`, {
      tensor: tensor.name,
      hint: `Give rows between 0 and ${count}.`,
    });
  }
  return { start, end };
}

async function readableWeight(model: Model, name: string): Promise<WeightPlan> {
  const plan = await namedWeight(model, name);
  for (const tensor of plannedSources(plan)) refuseUnclaimedTensor(model, tensor);
  return plan;
}

function encodingOf(model: Model, plan: WeightPlan): string {
  const encodings = new Set(plannedSources(plan).map((tensor) => model.tensor(tensor).encoding));
  return encodings.size === 0 ? "computed" : [...encodings].join("+");
}

/** The dequantized values of some rows, in pieces of whole rows. A piece is valid until the next one is asked for. */
export async function* tensorValues(
  model: Model,
  name: string,
  options: DumpOptions = {},
): AsyncGenerator<Float32Array> {
  const plan = await readableWeight(model, name);
  const bands = { rows: rowRange(plan, options.rows) };
  const memory = bandMemory(plan.shape, bands);
  const reader = openWeight(plan, weightSource(model));
  for (const { start, end } of rowBands(plan.shape, bands)) {
    options.signal?.throwIfAborted();
    const piece = memory({ start, end });
    await reader.readRows(start, end, piece);
    yield piece;
  }
}

async function* watchedValues(
  model: Model,
  { name, shape }: WeightPlan,
  options: StatisticsOptions,
  pass: StatisticsPass,
): AsyncGenerator<Float32Array> {
  let start = options.rows?.start ?? 0;
  for await (const values of tensorValues(model, name, options)) {
    const end = start + values.length / rowLengthOf(shape);
    yield values;
    await options.onRows?.(values, { start, end }, pass);
    start = end;
  }
}

/** Figures and a histogram of some rows. Reads them twice: the histogram needs the range. */
export async function tensorStatistics(
  model: Model,
  name: string,
  options: StatisticsOptions = {},
): Promise<TensorStatistics> {
  const plan = await readableWeight(model, name);
  const bins = options.bins ?? 32;
  if (!(Number.isSafeInteger(bins) && bins > 0))
    throw new UsageError(`A histogram cannot have ${bins} bars.`);
  let [count, zeros, nans, infinities, sum, squares] = [0, 0, 0, 0, 0, 0];
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for await (const values of watchedValues(model, plan, options, "range")) {
    count += values.length;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (Number.isNaN(value)) nans++;
      else if (!Number.isFinite(value)) infinities++;
      else {
        if (value === 0) zeros++;
        sum += value;
        squares += value * value;
        if (value < min) min = value;
        if (value > max) max = value;
      }
    }
  }
  const finite = count - nans - infinities;
  const mean = sum / finite;
  const counts = new Array<number>(bins).fill(0);
  const width = (max - min) / bins;
  if (finite > 0) {
    for await (const values of watchedValues(model, plan, options, "histogram")) {
      for (let i = 0; i < values.length; i++) {
        const value = values[i]!;
        if (!Number.isFinite(value)) continue;
        const bin = width > 0 ? Math.min(bins - 1, Math.floor((value - min) / width)) : 0;
        counts[bin]! += 1;
      }
    }
  }
  return {
    name,
    shape: plan.shape,
    encoding: encodingOf(model, plan),
    rows: rowRange(plan, options.rows),
    count,
    min: finite > 0 ? min : Number.NaN,
    max: finite > 0 ? max : Number.NaN,
    mean,
    standardDeviation: Math.sqrt(Math.max(0, squares / finite - mean * mean)),
    rms: Math.sqrt(squares / finite),
    zeros,
    nans,
    infinities,
    histogram: { start: min, end: max, counts },
  };
}

/**
 * The header of a version 1.0 `.npy` file of little-endian f32 in C order: magic, version, u16 length, a Python dict
 * padded with blanks so that the data starts at a multiple of 64 (NumPy, numpy/lib/format.py).
 */
export function npyHeader(shape: readonly number[]): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}, }`;
  const unpadded = 10 + dictionary.length + 1;
  const total = Math.ceil(unpadded / 64) * 64;
  const text = `${dictionary}${" ".repeat(total - unpadded)}\n`;
  const header = new Uint8Array(total);
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(header.buffer).setUint16(8, text.length, true);
  header.set(new TextEncoder().encode(text), 10);
  return header;
}

/**
 * Writes a tensor, or some of its rows, as a `.npy` file and closes the sink. All rows keep the tensor's shape; a range
 * becomes `[rows, rowLength]`. On failure the sink is aborted.
 */
export async function writeNpy(
  sink: ByteSink,
  model: Model,
  name: string,
  options: DumpOptions = {},
): Promise<void> {
  try {
    const plan = await readableWeight(model, name);
    const { start, end } = rowRange(plan, options.rows);
    const shape = options.rows === undefined ? plan.shape : [end - start, rowLengthOf(plan.shape)];
    await sink.write(npyHeader(shape));
    for await (const values of tensorValues(model, name, options)) await sink.write(floatBytes(values));
    await sink.close();
  } catch (error) {
    await sink.abort();
    throw error;
  }
}
