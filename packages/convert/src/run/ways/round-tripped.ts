/** Through another layout and back, then encoded: fake quantization. */
import { UsageError } from "@requant/core";
import { openWeight, type WeightReader } from "@requant/models";
import { encoderOf } from "../../model/encodings.ts";
import type { Model } from "../../model/model.ts";
import { BAND_BYTE_LENGTH } from "../../model/row-bands.ts";
import { weightSource } from "../../model/weight-source.ts";
import type { PlanTensor } from "../../plan/plan.ts";
import { type PlanThrough, throughOf } from "../../plan/way.ts";
import { type Band, guideAt, type Rows, rowsOf, rowUnits, type WayRunner } from "../bands.ts";
import type { MatrixGuide, WeightGuide } from "../guides.ts";
import { guidedBlocks } from "./guided-blocks.ts";

/** Values of a band as they come back. */
type Through = (values: Float32Array, band: Band, here: MatrixGuide) => Float32Array;

/** Measured against the source. */
export const roundTripped: WayRunner = {
  layout(task) {
    const rows = rowsOf(task.shape);
    const units = rowUnits(task, rows);
    const rowFloats = rows.length * Float32Array.BYTES_PER_ELEMENT;
    return {
      ...units,
      sizes: (count) => ({
        stored: 0,
        values: count * rowFloats,
        decoded: count * rowFloats,
        out: count * units.unitByteLength,
      }),
    };
  },
  maker(model, task, guide) {
    const through = throughOf(task);
    if (through === undefined)
      throw new UsageError("The weight goes through nothing.", { tensor: task.name });
    const rows = rowsOf(task.shape);
    const { unitByteLength } = rowUnits(task, rows);
    const codec = encoderOf(task.to, { tensor: task.name });
    let reader: WeightReader | undefined;
    let back: Promise<Through> | undefined;
    return async ({ start, end }, area, meter) => {
      const length = (end - start) * rows.length;
      reader ??= openWeight(task, weightSource(model));
      back ??= throughReader(model, task, through, rows, guide);
      const seenAs = await back;
      const here = await guideAt(guide, rows, start);
      await reader.readRows(start, end, area.floats("values", length));
      const values = area.floats("values", length);
      const out = area.bytes("out", 0, (end - start) * unitByteLength);
      codec.quantize(seenAs(values, { start, end }, here), rows.length, out);
      if (meter !== undefined) {
        const decoded = area.floats("decoded", length);
        codec.dequantize(out, decoded);
        meter.add(values, decoded);
      }
      return out;
    };
  },
};

/** A packed weight is made whole first. */
async function throughReader(
  model: Model,
  task: PlanTensor,
  through: PlanThrough,
  rows: Rows,
  guide: WeightGuide | undefined,
): Promise<Through> {
  if (through.kind === "packed") {
    const options = { bandByteLength: BAND_BYTE_LENGTH };
    const { packedRoundTrip } = await import("../pack-weight.ts");
    const weight = await packedRoundTrip(model, task, through.weight, options, guide);
    return (values, { start, end }) => {
      const seen = new Float32Array(values.length);
      weight.dequantize(start, end, seen);
      return seen;
    };
  }
  const block = encoderOf(through.to, { tensor: task.name });
  return (values, _, here) => {
    const bytes = new Uint8Array((values.length / block.blockSize) * block.blockByteLength);
    const seen = new Float32Array(values.length);
    guidedBlocks(block, values, rows.length, bytes, here);
    block.dequantize(bytes, seen);
    return seen;
  };
}
