/** Weights whose codes depend on all of their values. */
import { rowCount, rowLength } from "@requant/core";
import type { FloatPacking, OpenedWeight, PackGuide, WeightEncoder } from "@requant/core/format";
import { openWeight } from "@requant/models";
import type { Model } from "../model/model.ts";
import { type BandOptions, weightSource } from "../model/weight-source.ts";
import type { PlanTensor } from "../plan/plan.ts";
import type { Comparison } from "./comparison.ts";
import type { MatrixGuide, WeightGuide } from "./guides.ts";
import { gatherRows, measuredRows } from "./output-error.ts";
import { isReadAtLowCost, packingBands, withRooms } from "./pack-bands.ts";
import { compared, naming } from "./pack-checks.ts";
import type { PackedWeight } from "./packed-weight.ts";
import type { RefusedTask } from "./refuse-non-finite.ts";
import { solvedErrors } from "./solve-rows.ts";

export interface WholePacking {
  readonly encoder: WeightEncoder;
  readonly floats: FloatPacking & { readonly kind: "whole" };
  readonly guide: WeightGuide;
}

/** Settled when the last weight of this thread that is held whole is packed. */
let lastWhole: Promise<unknown> = Promise.resolve();

/** Memory for the values of the weight that is packed now: for the largest so far, and used again. */
let wholeRoom = new Float32Array(0);

/** One weight after the other: while one is packed, the thread can do nothing else, and another would only take memory. */
function inTurn<T>(pack: () => Promise<T>): Promise<T> {
  const packed = lastWhole.then(pack);
  lastWhole = packed.catch(() => {});
  return packed;
}

/** Packs one weight, and measures what that changes. */
export function packedWhole(...given: PackingTask<PlanTensor>): Promise<PackedWeight> {
  return inTurn(() => packWhole(...given));
}

/** The parts of one weight alone. */
export function packedParts(...given: PackingTask): Promise<Parts> {
  return inTurn(async () => {
    const guide = await given[2].guide.at(0);
    return (await fromBands(guide, ...given)) ?? (await fromAll(guide, ...given)).bytes;
  });
}

type Parts = Readonly<Record<string, Uint8Array>>;

type PackingTask<T extends RefusedTask = RefusedTask> = readonly [
  model: Model,
  task: T,
  packing: WholePacking,
  options: BandOptions,
];

async function packWhole(...given: PackingTask<PlanTensor>): Promise<PackedWeight> {
  const [model, task, { encoder, floats, guide }, options] = given;
  const measure = (parts: Parts): Promise<Comparison> => compared(model, task, encoder, parts, options);
  const here = await guide.at(0);
  const made = await fromBands(here, ...given);
  if (made !== undefined) return { bytes: { ...made }, measured: await measure(made) };
  const { bytes, values } = await fromAll(here, ...given);
  const measured = await measure(bytes);
  if (here.solve === undefined) return { bytes: { ...bytes }, measured };
  const { shape } = task;
  const rows = rowCount(shape);
  const solved = decodedRows(encoder.open(bytes), rows);
  const output = solvedErrors({ values, solved, band: { start: 0, end: rows }, shape }, here, () => {
    const rounded = decodedRows(encoder.open(floats.pack(values)), rows);
    return gatherRows(rounded, measuredRows(0, rows, rows), rowLength(shape));
  });
  return { bytes: { ...bytes }, measured, output };
}

function packGuide({ importance, solve }: MatrixGuide): PackGuide {
  return { importance, statistics: solve?.statistics };
}

/** The parts from bands of rows; undefined where the format needs all values, or where reading them again costs much. */
async function fromBands(
  guide: MatrixGuide,
  ...[model, task, { encoder, floats }, options]: PackingTask
): Promise<Parts | undefined> {
  // errors of a solved weight are measured on all values
  if (floats.packRows === undefined || guide.solve !== undefined || !isReadAtLowCost(model)) return undefined;
  const bands = packingBands(model, task.shape, encoder, options);
  const source = openWeight(task, weightSource(model));
  return withRooms(bands, rowLength(task.shape), async (room) =>
    floats.packRows?.(
      {
        bands,
        async read({ start, end }) {
          options.signal?.throwIfAborted();
          const values = room.of(start, end);
          await source.readRows(start, end, values);
          return values;
        },
      },
      packGuide(guide),
    ),
  );
}

/** The parts from all values, which stay in memory until the next weight is packed. */
async function fromAll(
  guide: MatrixGuide,
  ...[model, task, { floats }, { signal }]: PackingTask
): Promise<{ readonly bytes: Parts; readonly values: Float32Array }> {
  signal?.throwIfAborted();
  const rows = rowCount(task.shape);
  const length = rows * rowLength(task.shape);
  if (wholeRoom.length < length) wholeRoom = new Float32Array(length);
  const values = wholeRoom.subarray(0, length);
  await openWeight(task, weightSource(model)).readRows(0, rows, values);
  return { bytes: naming(model, task, values, 0, () => floats.pack(values, packGuide(guide))), values };
}

function decodedRows(weight: OpenedWeight, rows: number): Float32Array {
  const out = new Float32Array(rows * weight.columns);
  weight.dequantize(0, rows, out);
  return out;
}
