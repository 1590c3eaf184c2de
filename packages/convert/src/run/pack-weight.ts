/** All stored parts of one packed weight of the output. */

import { rowLength, UsageError } from "@requant/core";
import { allocateParts, type OpenedWeight, type WeightEncoder } from "@requant/core/format";
import { takesOnlyIntegers } from "@requant/core/view";
import { openWeight } from "@requant/models";
import type { Model } from "../model/model.ts";
import type { RowTask } from "../model/row-runs.ts";
import { integerRows, type ViewRows, viewRows } from "../model/view-rows.ts";
import { type BandOptions, weightSource } from "../model/weight-source.ts";
import type { PlanTensor } from "../plan/plan.ts";
import { weightTargetByName } from "../plan/target-formats.ts";
import { gridsOf, type PlanLinear } from "../plan/way.ts";
import { comparer } from "./comparison-twin.ts";
import type { WeightGuide } from "./guides.ts";
import { addedErrors, type OutputErrorSums } from "./output-error.ts";
import { type Bands, type FloatRoom, packingBands, withRooms } from "./pack-bands.ts";
import { compared, naming, refuseNonFinite } from "./pack-checks.ts";
import { packedParts, packedWhole } from "./pack-whole.ts";
import type { PackedWeight } from "./packed-weight.ts";
import type { RefusedTask } from "./refuse-non-finite.ts";
import { guidedView, solvedErrors, valuesOf } from "./solve-rows.ts";

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
  const columns = rowLength(task.shape);
  const source = openWeight(task, weightSource(model));
  const { floats } = encoder;
  if (floats.kind === "whole") {
    return encoder.open(await packedParts(model, task, { encoder, floats, guide }, options));
  }
  const bytes = allocateParts(encoder.parts);
  for (const { start, end } of packingBands(model, task.shape, encoder, options)) {
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

/** The matrix of a stack that has this row. */
function matrixAt(shape: readonly number[], row: number): number {
  return shape.length > 2 ? Math.floor(row / (shape.at(-2) ?? 1)) : 0;
}

/**
 * Packs one weight. Memory: the parts of the weight and one band of rows; for a format that reads all rows before it
 * chooses a scale, the whole weight as f32, unless it can read them several times (see `packRows`).
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
  const { floats } = encoder;
  if (task.way.kind !== "view" && floats.kind === "whole")
    return packedWhole(model, task, { encoder, floats, guide }, options);
  const bands = packingBands(model, shape, encoder, options);
  return withRooms(bands, rowLength(shape), (...rooms) =>
    packedInBands(model, task, { encoder, guide, bands, rooms }, options),
  );
}

interface BandPacking {
  readonly encoder: WeightEncoder;
  readonly guide: WeightGuide;
  readonly bands: Bands;
  /** For the values, and for what they are once they are packed. */
  readonly rooms: readonly [FloatRoom, FloatRoom];
}

async function packedInBands(
  model: Model,
  task: PlanTensor,
  { encoder, guide, bands, rooms: [floatsOf, decodedOf] }: BandPacking,
  options: BandOptions,
): Promise<PackedWeight> {
  const { shape } = task;
  const { floats } = encoder;
  const isView = task.way.kind === "view";
  const bytes = allocateParts(encoder.parts);
  const measure = task.fidelity === "exact" ? undefined : comparer();
  const source = openWeight(task, weightSource(model));
  const views = isView ? writableRows(model, { ...task, grids: gridsOf(task) }, encoder) : undefined;
  // where decoding gives the view back, comparing needs no second pass
  const inPlace = measure !== undefined && !isView && floats.kind === "view" && floats.storesViewExactly;
  let output: OutputErrorSums | undefined;
  for (const { start, end } of bands) {
    options.signal?.throwIfAborted();
    if (views !== undefined) {
      for (const { start: row, view } of await views.read(start, end)) encoder.fromView(view, row, bytes);
      continue;
    }
    const values = floatsOf.of(start, end);
    await source.readRows(start, end, values);
    if (floats.kind === "rows") {
      naming(model, task, values, start, () => floats.pack(values, start, bytes));
    } else if (floats.kind === "view") {
      const here = await guide.at(matrixAt(shape, start));
      const view = naming(model, task, values, start, () =>
        guidedView(floats, encoder, values, end - start, here),
      );
      if (inPlace || here.solve !== undefined) {
        const decoded = valuesOf(view, decodedOf.of(start, end));
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
  return { bytes, measured: await compared(model, task, encoder, bytes, options), output };
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
