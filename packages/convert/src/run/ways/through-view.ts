/** Integers to blocks, without floats. */
import { viewTypeByName } from "@requant/gguf";
import { openWeight, type WeightReader } from "@requant/models";
import { codecOf } from "../../model/encodings.ts";
import type { Model } from "../../model/model.ts";
import { type BlockRows, blockRows } from "../../model/view-rows.ts";
import { weightSource } from "../../model/weight-source.ts";
import { type BandMaker, isReadWhole, rowsOf, rowUnits, type WeightTask } from "../bands.ts";

/** Packed words hold up to 32 rows, and kernels take them whole: bands that end within them cost a second way. */
const ROWS_PER_WORD = 32;

/** Where it `decodes`, a measure gets both sides decoded. Scales that are not finite were refused with the facts of the view. */
export function throughView(model: Model, task: WeightTask, decodes: boolean): BandMaker {
  const rows = rowsOf(task.shape);
  const units = rowUnits(task, rows);
  const type = viewTypeByName(task.to, { tensor: task.name });
  const rowFloats = rows.length * Float32Array.BYTES_PER_ELEMENT;
  let blocks: BlockRows | undefined;
  let floats: WeightReader | undefined;
  return {
    ...units,
    mostUnits(bandByteLength) {
      const most = units.mostUnits(bandByteLength);
      return most > ROWS_PER_WORD ? most - (most % ROWS_PER_WORD) : most;
    },
    whole: isReadWhole(model, task),
    sizes: (count) => ({
      stored: 0,
      values: decodes ? count * rowFloats : 0,
      decoded: decodes ? count * rowFloats : 0,
      out: count * units.unitByteLength,
    }),
    async make({ start, end }, area, measure) {
      blocks ??= blockRows(model, task, type);
      await blocks.write(start, end, (from, to) =>
        area.bytes("out", (from - start) * units.unitByteLength, (to - start) * units.unitByteLength),
      );
      if (decodes && measure !== undefined) {
        const length = (end - start) * rows.length;
        floats ??= openWeight(task, weightSource(model));
        await floats.readRows(start, end, area.floats("values", length));
        codecOf(task.to).dequantize(
          area.bytes("out", 0, (end - start) * units.unitByteLength),
          area.floats("decoded", length),
        );
        measure.add(area.floats("values", length), area.floats("decoded", length));
      }
      return area.bytes("out", 0, (end - start) * units.unitByteLength);
    },
  };
}
