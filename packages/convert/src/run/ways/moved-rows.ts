/** Whole stored rows, in another order or of several tensors. */
import { rowOrigins } from "@requant/models";
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
    const originOf = rowOrigins(task, (tensor) => model.tensor(tensor).shape);
    return async ({ start, end }, area) => {
      for (let row = start; row < end; ) {
        const first = originOf(row);
        let count = 1;
        while (row + count < end) {
          const next = originOf(row + count);
          if (next.tensor !== first.tensor || next.row !== first.row + count) break;
          count++;
        }
        await model.readInto(
          first.tensor,
          first.row * unitByteLength,
          area.bytes("out", (row - start) * unitByteLength, (row - start + count) * unitByteLength),
        );
        row += count;
      }
      return area.bytes("out", 0, (end - start) * unitByteLength);
    };
  },
};
