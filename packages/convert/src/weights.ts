/** The bytes of one output tensor, made band by band as the writer pulls them. */
import { ConversionError, elementCount, rowLength as rowLengthOf } from "@requant/core";
import { blockRowsByteLength, gridToBlocks, gridTypeByName } from "@requant/gguf";
import {
  openWeight,
  orderedRowCount,
  plannedSources,
  repackMxfp4Row,
  rowOrigins,
  type WeightInput,
} from "@requant/models";
import { type Comparer, comparer } from "./comparison.ts";
import { blockOf, codecOf, encoderOf } from "./encodings.ts";
import type { Fidelity } from "./fidelity.ts";
import { gridRows } from "./linear/grid-rows.ts";
import { packedRoundTrip } from "./linear/pack-weight.ts";
import type { Model } from "./model.ts";
import type { PlanThrough } from "./plan.ts";
import { type BandOptions, weightSource } from "./weight-source.ts";

/** The parts of a plan's tensor that say how its bytes are made. */
export interface WeightTask {
  readonly name: string;
  readonly shape: readonly number[];
  readonly to: string;
  readonly fidelity: Fidelity;
  readonly inputs: readonly WeightInput[];
  readonly way?: "grid" | undefined;
  readonly through?: PlanThrough | undefined;
}

/** Importance of the columns, one row length of them for each of the outermost matrices, or one for all. */
export type ColumnImportance = Float32Array;

/** Encodings of the stored tensors behind some inputs, each once, in order. */
export function sourceEncodings(model: Model, task: Pick<WeightTask, "name" | "shape" | "inputs">): string[] {
  return [...new Set(plannedSources(task).map((name) => model.tensor(name).encoding))];
}

interface Rows {
  readonly count: number;
  readonly length: number;
  /** Rows of one matrix: what an importance matrix repeats over. */
  readonly perMatrix: number;
}

function rowsOf(shape: readonly number[]): Rows {
  const length = rowLengthOf(shape);
  const count = length === 0 ? 0 : elementCount(shape) / length;
  return { count, length, perMatrix: shape.length >= 3 ? (shape.at(-2) ?? count) : count };
}

/** Bands `[start, end)` of whole rows; none crosses from one matrix into the next. */
function* bandsOf(rows: Rows, bandByteLength: number): Generator<{ start: number; end: number }> {
  const most = Math.max(1, Math.floor(bandByteLength / (rows.length * Float32Array.BYTES_PER_ELEMENT)));
  for (let start = 0; start < rows.count; ) {
    const matrixEnd = (Math.floor(start / rows.perMatrix) + 1) * rows.perMatrix;
    const end = Math.min(start + most, matrixEnd, rows.count);
    yield { start, end };
    start = end;
  }
}

/** Stored bytes, moved: as they lie, or whole rows in another order. */
async function* copied(model: Model, task: WeightTask, options: BandOptions): AsyncGenerator<Uint8Array> {
  const input = task.inputs[0];
  if (
    input !== undefined &&
    task.inputs.length === 1 &&
    "tensor" in input &&
    Object.keys(input).length === 1
  ) {
    const { byteLength } = model.tensor(input.tensor);
    for (let start = 0; start < byteLength; start += options.bandByteLength) {
      options.signal?.throwIfAborted();
      yield model.readBytes(input.tensor, start, Math.min(start + options.bandByteLength, byteLength));
    }
    return;
  }
  const rows = rowsOf(task.shape);
  const block = blockOf(task.to, { tensor: task.name });
  const rowByteLength = (rows.length / block.blockSize) * block.blockByteLength;
  const originOf = rowOrigins(task, (tensor) => model.tensor(tensor).shape);
  for (const { start, end } of bandsOf(rows, options.bandByteLength)) {
    options.signal?.throwIfAborted();
    const out = new Uint8Array((end - start) * rowByteLength);
    for (let row = start; row < end; ) {
      const first = originOf(row);
      let count = 1;
      while (row + count < end) {
        const next = originOf(row + count);
        if (next.tensor !== first.tensor || next.row !== first.row + count) break;
        count++;
      }
      const bytes = await model.readBytes(
        first.tensor,
        first.row * rowByteLength,
        (first.row + count) * rowByteLength,
      );
      out.set(bytes, (row - start) * rowByteLength);
      row += count;
    }
    yield out;
  }
}

/** Hugging Face's two MXFP4 tensors become ggml blocks: other bytes, the same values. */
async function* repacked(model: Model, task: WeightTask, options: BandOptions): AsyncGenerator<Uint8Array> {
  const rows = rowsOf(task.shape);
  const scaleLength = rows.length / 32;
  const blockLength = scaleLength * 16;
  for (const input of task.inputs) {
    if (!("blocks" in input))
      throw new ConversionError("MXFP4 pairs cannot be joined with other tensors", { tensor: task.name });
    const count = model.tensor(input.scales).byteLength / scaleLength;
    const [first, last] = input.rows ?? [0, count];
    const originOf = rowOrigins(
      {
        ...task,
        inputs: [
          {
            tensor: input.scales,
            rows: [first, last],
            ...(input.rowOrder ? { rowOrder: input.rowOrder } : {}),
          },
        ],
      },
      () => [count, scaleLength],
    );
    const bandRows = Math.max(1, Math.floor(options.bandByteLength / (rows.length * 4)));
    const taken = orderedRowCount(input.rowOrder, last - first);
    for (let start = 0; start < taken; start += bandRows) {
      options.signal?.throwIfAborted();
      const end = Math.min(start + bandRows, taken);
      const out = new Uint8Array((end - start) * scaleLength * 17);
      for (let row = start; row < end; row++) {
        const origin = originOf(row).row;
        const blocks = await model.readBytes(input.blocks, origin * blockLength, (origin + 1) * blockLength);
        const scales = await model.readBytes(input.scales, origin * scaleLength, (origin + 1) * scaleLength);
        repackMxfp4Row(
          blocks,
          scales,
          out.subarray((row - start) * scaleLength * 17, (row - start + 1) * scaleLength * 17),
        );
      }
      yield out;
    }
  }
}

/** Through f32: read, map, encode; with `measure` the result is decoded again and compared. */
async function* encoded(
  model: Model,
  task: WeightTask,
  options: BandOptions,
  measure: Comparer | undefined,
  importance: ColumnImportance | undefined,
): AsyncGenerator<Uint8Array> {
  const rows = rowsOf(task.shape);
  const codec = encoderOf(task.to, { tensor: task.name });
  const reader = openWeight(task, weightSource(model));
  let values = new Float32Array(0);
  let decoded = new Float32Array(0);
  let bytes = new Uint8Array(0);
  for (const { start, end } of bandsOf(rows, options.bandByteLength)) {
    options.signal?.throwIfAborted();
    const count = (end - start) * rows.length;
    const byteLength = (count / codec.blockSize) * codec.blockByteLength;
    if (values.length < count) {
      values = new Float32Array(count);
      bytes = new Uint8Array(byteLength);
      if (measure !== undefined) decoded = new Float32Array(count);
    }
    const band = values.subarray(0, count);
    const out = bytes.subarray(0, byteLength);
    await reader.readRows(start, end, band);
    codec.quantize(band, rows.length, out, importanceAt(importance, rows, start));
    if (measure !== undefined) {
      const back = decoded.subarray(0, count);
      codec.dequantize(out, back);
      measure.add(band, back);
    }
    yield out;
  }
}

/** Through another layout and back, then encoded. Measured against the source. */
async function* roundTripped(
  model: Model,
  task: WeightTask,
  through: PlanThrough,
  options: BandOptions,
  measure: Comparer,
  importance: ColumnImportance | undefined,
): AsyncGenerator<Uint8Array> {
  const rows = rowsOf(task.shape);
  const codec = encoderOf(task.to, { tensor: task.name });
  const reader = openWeight(task, weightSource(model));
  const back = await throughReader(model, task, through, rows, options, importance);
  for (const { start, end } of bandsOf(rows, options.bandByteLength)) {
    options.signal?.throwIfAborted();
    const values = new Float32Array((end - start) * rows.length);
    await reader.readRows(start, end, values);
    const seen = back(values, start, end);
    const out = new Uint8Array((values.length / codec.blockSize) * codec.blockByteLength);
    codec.quantize(seen, rows.length, out);
    const stored = new Float32Array(values.length);
    codec.dequantize(out, stored);
    measure.add(values, stored);
    yield out;
  }
}

/** Values of a band as they come back. A packed weight is made whole first. */
async function throughReader(
  model: Model,
  task: WeightTask,
  through: PlanThrough,
  rows: Rows,
  options: BandOptions,
  importance: ColumnImportance | undefined,
): Promise<(values: Float32Array, start: number, end: number) => Float32Array> {
  if (through.kind === "packed") {
    const weight = await packedRoundTrip(model, task, through.weight, options);
    return (values, start, end) => {
      const seen = new Float32Array(values.length);
      weight.dequantize(start, end, seen);
      return seen;
    };
  }
  const block = encoderOf(through.to, { tensor: task.name });
  return (values, start) => {
    const bytes = new Uint8Array((values.length / block.blockSize) * block.blockByteLength);
    const seen = new Float32Array(values.length);
    block.quantize(values, rows.length, bytes, importanceAt(importance, rows, start));
    block.dequantize(bytes, seen);
    return seen;
  };
}

/** Integers to blocks, without floats; with `measure` both sides are decoded and compared. */
async function* regridded(
  model: Model,
  task: WeightTask,
  options: BandOptions,
  measure: Comparer | undefined,
): AsyncGenerator<Uint8Array> {
  const rows = rowsOf(task.shape);
  const type = gridTypeByName(task.to, { tensor: task.name });
  const source = gridRows(model, task);
  for (const { start, end } of bandsOf(rows, options.bandByteLength)) {
    options.signal?.throwIfAborted();
    const out = new Uint8Array(blockRowsByteLength(type, end - start, rows.length));
    for (const { start: row, grid } of await source.read(start, end)) {
      const from = blockRowsByteLength(type, row - start, rows.length);
      gridToBlocks(type, grid, out.subarray(from, from + blockRowsByteLength(type, grid.rows, rows.length)));
    }
    if (measure !== undefined) {
      const values = new Float32Array((end - start) * rows.length);
      const decoded = new Float32Array(values.length);
      await openWeight(task, weightSource(model)).readRows(start, end, values);
      codecOf(task.to).dequantize(out, decoded);
      measure.add(values, decoded);
    }
    yield out;
  }
}

function importanceAt(
  importance: ColumnImportance | undefined,
  rows: Rows,
  row: number,
): Float32Array | undefined {
  if (importance === undefined || importance.length === rows.length) return importance;
  const matrix = Math.floor(row / rows.perMatrix);
  return importance.subarray(matrix * rows.length, (matrix + 1) * rows.length);
}

export interface TensorStream {
  /** Valid until the next one is asked for. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** The measured error, once all bytes were taken; undefined for what is not measured. */
  readonly measured: Comparer | undefined;
}

/** At most one band of bytes, and three of f32 for encoded tensors, exist at any time. */
export function tensorStream(
  model: Model,
  task: WeightTask,
  options: BandOptions,
  importance?: ColumnImportance,
): TensorStream {
  if (task.inputs.some((input) => "blocks" in input))
    return { bytes: repacked(model, task, options), measured: undefined };
  if (task.through !== undefined) {
    const measured = comparer();
    return { bytes: roundTripped(model, task, task.through, options, measured, importance), measured };
  }
  if (task.fidelity === "copy") return { bytes: copied(model, task, options), measured: undefined };
  const measured = task.fidelity === "exact" ? undefined : comparer();
  if (task.way === "grid") return { bytes: regridded(model, task, options, measured), measured };
  return { bytes: encoded(model, task, options, measured, importance), measured };
}
