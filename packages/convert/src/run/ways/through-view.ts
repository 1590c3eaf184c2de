/** Codes and scales become blocks, without floats. */
import { viewTypeByName } from "@requant/gguf";
import { openWeight, type WeightReader } from "@requant/models";
import { codecOf } from "../../model/encodings.ts";
import type { Model } from "../../model/model.ts";
import { type BlockRows, blockRows } from "../../model/view-rows.ts";
import { weightSource } from "../../model/weight-source.ts";
import type { PlanTensor } from "../../plan/plan.ts";
import { gridsOf } from "../../plan/way.ts";
import { rowsOf, rowUnits, type WayRunner } from "../bands.ts";
import { isMeasured } from "../measured.ts";

/** Packed words hold up to 32 rows, and kernels read whole words: a band that ends inside a word needs a second pass. */
const ROWS_PER_WORD = 32;

/**
 * New bytes of a band of a packed weight, of the f32 bytes that a band may have. Its parts are in memory already and no
 * weight becomes a float, so only the new bytes take memory; and the codes of few rows are short runs, far apart.
 */
const PACKED_SHARE = 1 / 2;

/**
 * Where values change, the meter gets both sides decoded. Scales that are not finite were refused with the facts of the
 * view.
 */
export const throughView: WayRunner = {
  layout(task) {
    const rows = rowsOf(task.shape);
    const units = rowUnits(task, rows);
    const decodes = isMeasured(task);
    const rowFloats = rows.length * Float32Array.BYTES_PER_ELEMENT;
    const isPacked = task.whole === true && !decodes && gridsOf(task) === undefined;
    return {
      ...units,
      mostUnits(bandByteLength) {
        const byFloats = units.mostUnits(bandByteLength);
        const byBytes = Math.floor((bandByteLength * PACKED_SHARE) / Math.max(1, units.unitByteLength));
        const most = isPacked ? Math.max(byFloats, byBytes) : byFloats;
        return most > ROWS_PER_WORD ? most - (most % ROWS_PER_WORD) : most;
      },
      sizes: (count) => ({
        stored: 0,
        values: decodes ? count * rowFloats : 0,
        decoded: decodes ? count * rowFloats : 0,
        out: count * units.unitByteLength,
      }),
    };
  },
  maker(model, task) {
    const rows = rowsOf(task.shape);
    const { unitByteLength } = rowUnits(task, rows);
    const type = viewTypeByName(task.to, { tensor: task.name });
    const { way } = task;
    let blocks: BlockRows | undefined;
    let floats: WeightReader | undefined;
    let scales: readonly number[] | undefined;
    return async ({ start, end }, area, meter) => {
      const unscaled = way.kind === "view" && way.unscaled === true;
      blocks ??= blockRows(model, { ...task, grids: gridsOf(task) }, { type, unscaled });
      await blocks.write(start, end, (from, to) =>
        area.bytes("out", (from - start) * unitByteLength, (to - start) * unitByteLength),
      );
      if (meter !== undefined && isMeasured(task)) {
        const length = (end - start) * rows.length;
        if (unscaled) scales ??= await scalesOf(model, task);
        floats ??= openWeight(task, weightSource(model));
        await floats.readRows(start, end, area.floats("values", length));
        const decoded = area.floats("decoded", length);
        codecOf(task.to).dequantize(area.bytes("out", 0, (end - start) * unitByteLength), decoded);
        if (scales !== undefined) {
          for (let row = start; row < end; row++) {
            const scale = scales[Math.floor((row * scales.length) / rows.count)]!;
            for (let i = (row - start) * rows.length, stop = i + rows.length; i < stop; i++)
              decoded[i]! *= scale;
          }
        }
        meter.add(area.floats("values", length), decoded);
      }
      return area.bytes("out", 0, (end - start) * unitByteLength);
    };
  },
};

/** The scales that the output stores beside its blocks: of a stack of experts one for each, else one for all rows. */
async function scalesOf(model: Model, { inputs }: PlanTensor): Promise<number[]> {
  const scales: number[] = [];
  for (const input of inputs) {
    const found = "tensor" in input ? await model.weight(input.tensor).packed?.examine() : undefined;
    scales.push(found?.tensorScale?.scale ?? 1);
  }
  return scales;
}
