/** Whole stored rows, in another order or of several tensors. */
import { orderedRuns } from "../../model/row-runs.ts";
import { rowsOf, rowUnits, type WayRunner } from "../bands.ts";
import { noWork } from "../work-area.ts";

/** Rows that lie together are moved together. */
export const movedRows: WayRunner = {
  layout(task) {
    const units = rowUnits(task, rowsOf(task.shape));
    return { ...units, sizes: (count) => ({ ...noWork, out: count * units.unitByteLength }) };
  },
  maker(model, task) {
    const { unitByteLength } = rowUnits(task, rowsOf(task.shape));
    const runsOf = orderedRuns(model, task);
    return async ({ start, end }, area) => {
      for (const { start: first, tensor, row, count } of runsOf(start, end)) {
        const [from, to] = [(first - start) * unitByteLength, (first - start + count) * unitByteLength];
        await model.readInto(tensor, row * unitByteLength, area.bytes("out", from, to));
      }
      return area.bytes("out", 0, (end - start) * unitByteLength);
    };
  },
};
