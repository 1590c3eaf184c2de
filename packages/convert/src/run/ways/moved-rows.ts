/** Whole stored rows, in another order or of several tensors. */
import { rowsOf, rowUnits, type WayRunner } from "../bands.ts";
import { noWork } from "../work-area.ts";
import { storedRowReader } from "./stored-rows.ts";

/** Rows that lie together are moved together. */
export const movedRows: WayRunner = {
  layout(task) {
    const units = rowUnits(task, rowsOf(task.shape));
    return { ...units, sizes: (count) => ({ ...noWork, out: count * units.unitByteLength }) };
  },
  maker(model, task) {
    const { unitByteLength } = rowUnits(task, rowsOf(task.shape));
    const read = storedRowReader(model, task, unitByteLength);
    return async (band, area) => {
      await read(band, (from, to) => area.bytes("out", from, to));
      return area.bytes("out", 0, (band.end - band.start) * unitByteLength);
    };
  },
};
