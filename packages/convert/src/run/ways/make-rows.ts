/** Bands of weights whose rows come from the same stored rows: read once, decoded once, encoded for each weight. */
import { openWeight, type WeightReader } from "@requant/models";
import { codecOf } from "../../model/encodings.ts";
import type { Model } from "../../model/model.ts";
import { weightSource } from "../../model/weight-source.ts";
import type { PlanTensor } from "../../plan/plan.ts";
import { type Band, guideAt } from "../bands.ts";
import type { ErrorMeter } from "../error-meter.ts";
import type { WeightGuide } from "../guides.ts";
import type { WorkArea } from "../work-area.ts";
import { rowEncoder } from "./encode-rows.ts";
import { isCopied, type RowSet } from "./row-set.ts";
import { storedRowReader } from "./stored-rows.ts";

/** A weight of the set that is made now: the others of the band were made before. */
export interface WantedRows {
  /** Place in the set. */
  readonly member: number;
  readonly meter: ErrorMeter | undefined;
}

/** The new bytes of a weight, by its place in the set. Asked for again after each wait: the memory may have moved. */
export type MadeRows = (member: number) => Uint8Array;

/** Makes one band of some weights of the set in `area`: valid until the next band is made there. */
export type MakeRows = (band: Band, area: WorkArea, wanted: readonly WantedRows[]) => Promise<MadeRows>;

/** Makes the bands of a set, in any order. */
export function rowsMaker(
  model: Model,
  set: RowSet,
  guideOf: (task: PlanTensor) => WeightGuide | undefined,
): MakeRows {
  const { rows, step, stored } = set;
  const source = stored === undefined ? computedRows(model, set) : decodedRows(model, set, stored);
  const members = set.tasks.map((task) =>
    isCopied(task) ? undefined : { encode: rowEncoder(task), guide: guideOf(task) },
  );
  return async (band, area, wanted) => {
    const { start, end } = band;
    const count = end - start;
    const encoded = [];
    for (const { member, meter } of wanted) {
      const own = members[member];
      if (own === undefined) continue;
      const here = await guideAt(own.guide, rows, start);
      encoded.push({ encode: own.encode, meter, here, outStart: set.outRange(member, count).start });
    }
    await source.read(band, area);
    for (let row = start; row < end && encoded.length > 0; row += step) {
      const part = { start: row, end: Math.min(row + step, end) };
      const values = source.values(part, start, area);
      for (const { encode, meter, here, outStart } of encoded) {
        encode({ values, rows: part, bandStart: start, outStart, area, meter, here });
      }
    }
    return (member) => {
      if (members[member] === undefined) return area.bytes("stored", 0, count * (stored?.rowByteLength ?? 0));
      const out = set.outRange(member, count);
      return area.bytes("out", out.start, out.end);
    };
  };
}

/** Where the f32 values of a band come from. */
interface BandValues {
  read(band: Band, area: WorkArea): Promise<void>;
  /** Values of some rows of the band that was read; `bandStart` is its first row. */
  values(part: Band, bandStart: number, area: WorkArea): Float32Array;
}

/** Values that are decoded a few rows at a time, which keeps them in a core's cache. */
function decodedRows(
  model: Model,
  { tasks, rows }: RowSet,
  { encoding, rowByteLength }: NonNullable<RowSet["stored"]>,
): BandValues {
  const [task] = tasks;
  const read = task === undefined ? undefined : storedRowReader(model, task, rowByteLength);
  const codec = codecOf(encoding, { tensor: task?.name });
  return {
    async read(band, area) {
      await read?.(band, (start, end) => area.bytes("stored", start, end));
    },
    values({ start, end }, bandStart, area) {
      const values = area.floats("values", (end - start) * rows.length);
      const [first, last] = [(start - bandStart) * rowByteLength, (end - bandStart) * rowByteLength];
      codec.dequantize(area.bytes("stored", first, last), values);
      return values;
    },
  };
}

/** Values that are computed for the whole band: rows change places, or several stored tensors make them. */
function computedRows(model: Model, { tasks, rows }: RowSet): BandValues {
  let reader: WeightReader | undefined;
  return {
    async read({ start, end }, area) {
      const [task] = tasks;
      if (task === undefined) return;
      reader ??= openWeight(task, weightSource(model));
      await reader.readRows(start, end, area.floats("values", (end - start) * rows.length));
    },
    values({ start, end }, bandStart, area) {
      const [first, last] = [(start - bandStart) * rows.length, (end - bandStart) * rows.length];
      return area.floats("values", last).subarray(first);
    },
  };
}
