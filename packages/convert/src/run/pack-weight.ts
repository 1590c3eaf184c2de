/** All stored parts of one packed weight of the output. */

import { ConversionError, rowCount, rowLength, UsageError } from "@requant/core";
import {
  allocateParts,
  type FloatPacking,
  type OpenedWeight,
  type PackGuide,
  type WeightEncoder,
} from "@requant/core/format";
import { takesOnlyIntegers } from "@requant/core/view";
import { openWeight } from "@requant/models";
import type { Model } from "../model/model.ts";
import { type RowBand, rowBands } from "../model/row-bands.ts";
import type { RowTask } from "../model/row-runs.ts";
import { integerRows, type ViewRows, viewRows } from "../model/view-rows.ts";
import { type BandOptions, weightSource } from "../model/weight-source.ts";
import { findNonFinite, movedNonFinite } from "../plan/non-finite.ts";
import type { PlanTensor } from "../plan/plan.ts";
import { weightTargetByName } from "../plan/target-formats.ts";
import { gridsOf, type PlanLinear } from "../plan/way.ts";
import type { Comparison } from "./comparison.ts";
import { comparer } from "./comparison-twin.ts";
import { firstNonFinite } from "./error-meter-twin.ts";
import type { MatrixGuide, WeightGuide } from "./guides.ts";
import { addedErrors, gatherRows, measuredRows, type OutputErrorSums } from "./output-error.ts";
import { nonFiniteRefusal, type RefusedTask } from "./refuse-non-finite.ts";
import { guidedView, solvedErrors, valuesOf } from "./solve-rows.ts";

export interface PackedWeight {
  /** By suffix. */
  readonly bytes: Record<string, Uint8Array>;
  /** Set for weights that are neither copied nor exact. */
  readonly measured: Comparison | undefined;
  /** Set for weights that were solved. */
  readonly output?: OutputErrorSums | undefined;
}

/** Where rows are rounded. */
const UNGUIDED: WeightGuide = { at: async () => ({}) };

/** A weight packed from floats and opened again. */
export async function packedRoundTrip(
  model: Model,
  task: RefusedTask,
  weight: PlanLinear,
  options: BandOptions,
  guide: WeightGuide = UNGUIDED,
): Promise<OpenedWeight> {
  const { layout, format } = weight;
  const encoder = weightTargetByName(format).encoder(layout);
  const rows = rowCount(task.shape);
  const columns = rowLength(task.shape);
  const source = openWeight(task, weightSource(model));
  const { floats } = encoder;
  if (floats.kind === "whole") {
    const values = new Float32Array(rows * columns);
    await source.readRows(0, rows, values);
    const given = packGuide(await guide.at(0));
    return encoder.open(naming(model, task, values, 0, () => floats.pack(values, given)));
  }
  const bytes = allocateParts(encoder.parts);
  for (const { start, end } of bandsOf(task.shape, encoder.rowMultiple, options.bandByteLength)) {
    options.signal?.throwIfAborted();
    const values = new Float32Array((end - start) * columns);
    await source.readRows(start, end, values);
    if (floats.kind === "rows") naming(model, task, values, start, () => floats.pack(values, start, bytes));
    else {
      const here = await guide.at(matrixAt(task.shape, start));
      const view = naming(model, task, values, start, () =>
        guidedView(floats, encoder, values, end - start, here),
      );
      encoder.fromView(view, start, bytes);
    }
  }
  return encoder.open(bytes);
}

type Bands = readonly RowBand[];

/** Bands that begin where the encoder can begin, and end with each matrix of a stack. */
function* bandsOf(shape: readonly number[], multiple: number, byteLength: number): Generator<RowBand> {
  const count = rowCount(shape);
  const perMatrix = shape.length > 2 ? (shape.at(-2) ?? count) : count;
  const step = perMatrix % multiple === 0 ? perMatrix : count;
  for (let start = 0; start < count; start += step) {
    yield* rowBands(shape, { byteLength, multiple, rows: { start, end: start + step } });
  }
}

/** Memory for the values of one band after the other. It is made for the first one that asks. */
function floatRoom(bands: Bands, columns: number): (start: number, end: number) => Float32Array {
  let room: Float32Array | undefined;
  return (start, end) => {
    if (room === undefined) {
      let most = 0;
      for (const band of bands) most = Math.max(most, band.end - band.start);
      room = new Float32Array(most * columns);
    }
    return room.subarray(0, (end - start) * columns);
  };
}

/** The matrix of a stack that has this row. */
function matrixAt(shape: readonly number[], row: number): number {
  return shape.length > 2 ? Math.floor(row / (shape.at(-2) ?? 1)) : 0;
}

function packGuide({ importance, solve }: MatrixGuide): PackGuide {
  return { importance, statistics: solve?.statistics };
}

/**
 * Packs one weight. Memory: the parts of the weight and one band of rows; for a format that reads all rows before it
 * chooses a scale, the whole weight as f32.
 */
export async function packedWeight(
  model: Model,
  task: PlanTensor,
  options: BandOptions,
  guide: WeightGuide = UNGUIDED,
): Promise<PackedWeight> {
  const { linear, shape } = task;
  if (linear === undefined)
    throw new UsageError("The plan does not say how to pack the weight.", { tensor: task.name });
  if (task.way.kind === "parts") return { bytes: await copiedParts(model, task), measured: undefined };
  const encoder = weightTargetByName(linear.format).encoder(linear.layout);
  const columns = rowLength(shape);
  const bands = [...bandsOf(task.shape, encoder.rowMultiple, options.bandByteLength)];
  const { floats } = encoder;
  const isView = task.way.kind === "view";
  if (!isView && floats.kind === "whole")
    return packedWhole(model, task, { encoder, floats, guide }, bands, options);
  const bytes = allocateParts(encoder.parts);
  const measure = task.fidelity === "exact" ? undefined : comparer();
  const source = openWeight(task, weightSource(model));
  const views = isView ? writableRows(model, { ...task, grids: gridsOf(task) }, encoder) : undefined;
  // where decoding gives the view back, comparing needs no second pass
  const inPlace = measure !== undefined && !isView && floats.kind === "view" && floats.storesViewExactly;
  let output: OutputErrorSums | undefined;
  const floatsOf = floatRoom(bands, columns);
  const decodedOf = floatRoom(bands, columns);
  for (const { start, end } of bands) {
    options.signal?.throwIfAborted();
    if (views !== undefined) {
      for (const { start: row, view } of await views.read(start, end)) encoder.fromView(view, row, bytes);
      continue;
    }
    const values = floatsOf(start, end);
    await source.readRows(start, end, values);
    if (floats.kind === "rows") {
      naming(model, task, values, start, () => floats.pack(values, start, bytes));
    } else if (floats.kind === "view") {
      const here = await guide.at(matrixAt(shape, start));
      const view = naming(model, task, values, start, () =>
        guidedView(floats, encoder, values, end - start, here),
      );
      if (inPlace || here.solve !== undefined) {
        const decoded = valuesOf(view, decodedOf(start, end));
        if (inPlace) {
          measure.add(values, decoded);
          refuseNonFinite(model, task, values, decoded, start);
        }
        const rows = { values, solved: decoded, band: { start, end }, shape };
        const errors = solvedErrors(rows, here, (some, count) => valuesOf(floats.quantize(some, count)));
        output = addedErrors(output, errors);
      }
      encoder.fromView(view, start, bytes);
    }
  }
  if (measure === undefined) return { bytes, measured: undefined };
  if (inPlace) return { bytes, measured: measure.result(), output };
  return { bytes, measured: await compared(model, task, encoder, bytes, bands, options), output };
}

/** Rows as views that the encoder takes: integers stacked to whole bands, or views of the source's own kind. */
function writableRows(model: Model, task: RowTask, { requirement, rowMultiple }: WeightEncoder): ViewRows {
  const isOwnKind = requirement !== undefined && !takesOnlyIntegers(requirement);
  // rows that lie apart in the source come as several views, which must each begin where the encoder can begin; where rows
  // share scales, only whole tensors are planned this way, and their rows lie together
  const begins = rowMultiple === 1 || requirement?.scaleRows !== undefined;
  if (isOwnKind && begins) return viewRows(model, task);
  const integers = integerRows(model, task);
  return { read: async (start, end) => [{ start, view: await integers.read(start, end) }] };
}

/** Names the weight that a codec refuses in rows from `start` on: the codec knows neither the tensor nor its source. */
function naming<T>(model: Model, task: RefusedTask, values: Float32Array, start: number, pack: () => T): T {
  try {
    return pack();
  } catch (error) {
    if (!(error instanceof ConversionError) || error.tensor !== undefined) throw error;
    const { message, hint, index } = error;
    refuseNonFinite(model, task, values, values, start);
    if (index === undefined) throw new ConversionError(message, { tensor: task.name, hint, cause: error });
    const at = start * rowLength(task.shape) + index;
    const value = values[index] ?? Number.NaN;
    const made = {
      count: 1,
      index: at,
      value,
      stored: value < 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY,
      largest: value,
      largestIndex: at,
    };
    throw nonFiniteRefusal(model, task, { made });
  }
}

/** @throws ConversionError where a weight is not finite, or not once it is packed; `start` is the first row */
function refuseNonFinite(
  model: Model,
  task: RefusedTask,
  values: Float32Array,
  decoded: Float32Array,
  start: number,
): void {
  if (firstNonFinite(values) === values.length && firstNonFinite(decoded) === decoded.length) return;
  const found = findNonFinite(values, decoded);
  if (found === undefined) return;
  throw nonFiniteRefusal(model, task, movedNonFinite(found, start * rowLength(task.shape)));
}

async function copiedParts(model: Model, task: PlanTensor): Promise<Record<string, Uint8Array>> {
  const [input] = task.inputs;
  const source = input !== undefined && "tensor" in input ? model.tensor(input.tensor).linear : undefined;
  const bytes: Record<string, Uint8Array> = {};
  for (const { suffix } of task.linear?.parts ?? []) {
    const part = source?.parts.find((candidate) => candidate.suffix === suffix);
    if (part === undefined) {
      throw new UsageError(`The source has no part ${suffix} to copy.`, { tensor: task.name });
    }
    bytes[suffix] = await model.readBytes(part.name, 0, part.byteLength);
  }
  return bytes;
}

interface WholePacking {
  readonly encoder: WeightEncoder;
  readonly floats: FloatPacking & { readonly kind: "whole" };
  readonly guide: WeightGuide;
}

/** Settled when the last weight of this thread that is held whole is packed. */
let lastWhole: Promise<unknown> = Promise.resolve();

/** Memory for the values of the weight that is packed now: for the largest so far, and used again. */
let wholeRoom = new Float32Array(0);

/** One weight after the other: while one is packed, the thread can do nothing else, and another would only take memory. */
function packedWhole(...given: Parameters<typeof packWhole>): Promise<PackedWeight> {
  const packed = lastWhole.then(() => packWhole(...given));
  lastWhole = packed.catch(() => {});
  return packed;
}

async function packWhole(
  model: Model,
  task: PlanTensor,
  { encoder, floats, guide }: WholePacking,
  bands: Bands,
  options: BandOptions,
): Promise<PackedWeight> {
  options.signal?.throwIfAborted();
  const rows = rowCount(task.shape);
  const columns = rowLength(task.shape);
  if (wholeRoom.length < rows * columns) wholeRoom = new Float32Array(rows * columns);
  const values = wholeRoom.subarray(0, rows * columns);
  await openWeight(task, weightSource(model)).readRows(0, rows, values);
  const here = await guide.at(0);
  const given = packGuide(here);
  const bytes = { ...naming(model, task, values, 0, () => floats.pack(values, given)) };
  const measured = await compared(model, task, encoder, bytes, bands, options);
  if (here.solve === undefined) return { bytes, measured };
  const solved = decodedRows(encoder.open(bytes), rows);
  const output = solvedErrors(
    { values, solved, band: { start: 0, end: rows }, shape: task.shape },
    here,
    () => {
      const rounded = decodedRows(encoder.open(floats.pack(values)), rows);
      return gatherRows(rounded, measuredRows(0, rows, rows), columns);
    },
  );
  return { bytes, measured, output };
}

function decodedRows(weight: OpenedWeight, rows: number): Float32Array {
  const out = new Float32Array(rows * weight.columns);
  weight.dequantize(0, rows, out);
  return out;
}

/** Compares the packed weight, decoded again, with the source. */
async function compared(
  model: Model,
  task: PlanTensor,
  encoder: WeightEncoder,
  bytes: Record<string, Uint8Array>,
  bands: Bands,
  options: BandOptions,
): Promise<Comparison> {
  const measure = comparer();
  const weight = encoder.open(bytes);
  const floats = openWeight(task, weightSource(model));
  const floatsOf = floatRoom(bands, weight.columns);
  const decodedOf = floatRoom(bands, weight.columns);
  for (const { start, end } of bands) {
    options.signal?.throwIfAborted();
    const [values, decoded] = [floatsOf(start, end), decodedOf(start, end)];
    await floats.readRows(start, end, values);
    weight.dequantize(start, end, decoded);
    measure.add(values, decoded);
    refuseNonFinite(model, task, values, decoded, start);
  }
  return measure.result();
}
