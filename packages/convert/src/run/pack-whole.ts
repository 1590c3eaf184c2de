/** Weights whose codes depend on all of their values. */
import { rowCount, rowLength } from "@requant/core";
import type { FloatPacking, OpenedWeight, PackGuide, WeightEncoder } from "@requant/core/format";
import { openWeight } from "@requant/models";
import type { Model } from "../model/model.ts";
import { type BandOptions, weightSource } from "../model/weight-source.ts";
import type { PlanTensor } from "../plan/plan.ts";
import type { MatrixGuide, WeightGuide } from "./guides.ts";
import { gatherRows, measuredRows } from "./output-error.ts";
import { type Bands, isReadAtLowCost, packingBands, withRooms } from "./pack-bands.ts";
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
export function packedWhole(
  model: Model,
  task: PlanTensor,
  packing: WholePacking,
  options: BandOptions,
): Promise<PackedWeight> {
  return inTurn(() =>
    packWhole(model, task, packing, packingBands(model, task.shape, packing.encoder, options), options),
  );
}

/** The parts of one weight alone. */
export function packedParts(
  model: Model,
  task: RefusedTask,
  packing: WholePacking,
  options: BandOptions,
): Promise<Readonly<Record<string, Uint8Array>>> {
  return inTurn(() =>
    wholeParts(model, task, packing, packingBands(model, task.shape, packing.encoder, options), options),
  );
}

async function packWhole(
  model: Model,
  task: PlanTensor,
  packing: WholePacking,
  bands: Bands,
  options: BandOptions,
): Promise<PackedWeight> {
  const { encoder, floats, guide } = packing;
  const rows = rowCount(task.shape);
  const columns = rowLength(task.shape);
  const here = await guide.at(0);
  const bytes = { ...(await wholeParts(model, task, packing, bands, options)) };
  const measured = await compared(model, task, encoder, bytes, bands, options);
  if (here.solve === undefined) return { bytes, measured };
  const values = wholeRoom.subarray(0, rows * columns);
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

function packGuide({ importance, solve }: MatrixGuide): PackGuide {
  return { importance, statistics: solve?.statistics };
}

/** The parts of one weight: from bands of its rows where the format can and reading again is cheap, else from all of them. */
async function wholeParts(
  model: Model,
  task: RefusedTask,
  { floats, guide }: WholePacking,
  bands: Bands,
  options: BandOptions,
): Promise<Readonly<Record<string, Uint8Array>>> {
  const rows = rowCount(task.shape);
  const columns = rowLength(task.shape);
  const source = openWeight(task, weightSource(model));
  const given = packGuide(await guide.at(0));
  const packRows = isReadAtLowCost(model) ? floats.packRows : undefined;
  const made = await withRooms(bands, columns, async (room) =>
    packRows?.(
      {
        bands,
        async read({ start, end }) {
          options.signal?.throwIfAborted();
          const values = room.of(start, end);
          await source.readRows(start, end, values);
          return values;
        },
      },
      given,
    ),
  );
  if (made !== undefined) return made;
  options.signal?.throwIfAborted();
  if (wholeRoom.length < rows * columns) wholeRoom = new Float32Array(rows * columns);
  const values = wholeRoom.subarray(0, rows * columns);
  await source.readRows(0, rows, values);
  return naming(model, task, values, 0, () => floats.pack(values, given));
}

function decodedRows(weight: OpenedWeight, rows: number): Float32Array {
  const out = new Float32Array(rows * weight.columns);
  weight.dequantize(0, rows, out);
  return out;
}
