/** Hugging Face's pairs of MXFP4 tensors become blocks of ggml's MXFP4: other bytes, the same values. */
import { ConversionError } from "@requant/core";
import { repackMxfp4Row, rowOrigins, type StoredInput } from "@requant/models";
import { codecOf } from "../../model/encodings.ts";
import { rowsOf, rowUnits, type WayRunner } from "../bands.ts";
import { noWork } from "../work-area.ts";

/** The largest scale of MXFP4 (a power of two, plus 127) with which every code is finite in f32: 6 × 2^125. */
const LARGEST_SAFE_SCALE = 252;

/** Weights that share a scale. */
const GROUP = 32;

/** Row by row: 16 bytes of codes and one scale for every 32 weights. */
export const pairedBlocks: WayRunner = {
  layout(task) {
    const units = rowUnits(task, rowsOf(task.shape));
    return { ...units, sizes: (count) => ({ ...noWork, out: count * units.unitByteLength }) };
  },
  maker(model, task) {
    const rows = rowsOf(task.shape);
    const { unitByteLength } = rowUnits(task, rows);
    const scaleLength = rows.length / GROUP;
    const blockLength = (scaleLength * GROUP) / 2;
    const codec = codecOf(task.to, { tensor: task.name });
    const blocksOf = new Map<string, string>();
    const inputs = task.inputs.map((input): StoredInput => {
      if (!("blocks" in input)) {
        throw new ConversionError("MXFP4 pairs cannot be joined with other tensors.", { tensor: task.name });
      }
      const { blocks, scales, rows: taken, rowOrder } = input;
      blocksOf.set(scales, blocks);
      return { tensor: scales, ...(taken ? { rows: taken } : {}), ...(rowOrder ? { rowOrder } : {}) };
    });
    const originOf = rowOrigins({ ...task, inputs }, (tensor) => [
      model.tensor(tensor).byteLength / scaleLength,
      scaleLength,
    ]);
    return async ({ start, end }, area, meter) => {
      for (let row = start; row < end; row++) {
        const { tensor, row: origin } = originOf(row);
        const codes = blocksOf.get(tensor) ?? "";
        const blocks = await model.readBytes(codes, origin * blockLength, (origin + 1) * blockLength);
        const scales = await model.readBytes(tensor, origin * scaleLength, (origin + 1) * scaleLength);
        const at = (row - start) * unitByteLength;
        const out = area.bytes("out", at, at + unitByteLength);
        repackMxfp4Row(blocks, scales, out);
        if (meter === undefined || !scales.some((scale) => scale > LARGEST_SAFE_SCALE)) continue;
        const values = new Float32Array(rows.length);
        codec.dequantize(out, values);
        meter.look(values, (row - start) * rows.length);
      }
      return area.bytes("out", 0, (end - start) * unitByteLength);
    };
  },
};
