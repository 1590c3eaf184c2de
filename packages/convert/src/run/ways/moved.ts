/** Stored bytes that stay what they are: moved, in another order, or, for MXFP4, put together differently. */

import { ConversionError } from "@requant/core";
import { repackMxfp4Row, rowOrigins, type StoredInput } from "@requant/models";
import { codecOf } from "../../model/encodings.ts";
import type { Model } from "../../model/model.ts";
import { type BandMaker, rowsOf, rowUnits, type WeightTask } from "../bands.ts";

/** Stored bytes as they lie. */
export function moved(model: Model, { tensor }: StoredInput): BandMaker {
  const { byteLength } = model.tensor(tensor);
  return {
    unitCount: byteLength,
    unitByteLength: 1,
    unitsPerMatrix: Math.max(1, byteLength),
    mostUnits: (bandByteLength) => Math.max(1, bandByteLength),
    whole: false,
    sizes: (units) => ({ stored: 0, values: 0, decoded: 0, out: units }),
    async make({ start, end }, area) {
      await model.readInto(tensor, start, area.bytes("out", 0, end - start));
      return area.bytes("out", 0, end - start);
    },
  };
}

/** Whole rows of stored bytes in another order. */
export function movedRows(model: Model, task: WeightTask): BandMaker {
  const rows = rowsOf(task.shape);
  const units = rowUnits(task, rows);
  const { unitByteLength } = units;
  const originOf = rowOrigins(task, (tensor) => model.tensor(tensor).shape);
  return {
    ...units,
    whole: false,
    sizes: (count) => ({ stored: 0, values: 0, decoded: 0, out: count * unitByteLength }),
    async make({ start, end }, area) {
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
    },
  };
}

/** The largest scale of MXFP4 (a power of two, plus 127) with which every code is finite in f32: 6 × 2^125. */
const LARGEST_SAFE_SCALE = 252;

/** Hugging Face's two MXFP4 tensors become ggml blocks: other bytes, the same values. */
export function repacked(model: Model, task: WeightTask): BandMaker {
  const rows = rowsOf(task.shape);
  const units = rowUnits(task, rows);
  const scaleLength = rows.length / 32;
  const blockLength = scaleLength * 16;
  const codec = codecOf(task.to, { tensor: task.name });
  const blocksOf = new Map<string, string>();
  const inputs = task.inputs.map((input): StoredInput => {
    if (!("blocks" in input)) {
      throw new ConversionError("MXFP4 pairs cannot be joined with other tensors", { tensor: task.name });
    }
    const { blocks, scales, rows: taken, rowOrder } = input;
    blocksOf.set(scales, blocks);
    return { tensor: scales, ...(taken ? { rows: taken } : {}), ...(rowOrder ? { rowOrder } : {}) };
  });
  const originOf = rowOrigins({ ...task, inputs }, (tensor) => [
    model.tensor(tensor).byteLength / scaleLength,
    scaleLength,
  ]);
  return {
    ...units,
    whole: false,
    sizes: (count) => ({ stored: 0, values: 0, decoded: 0, out: count * units.unitByteLength }),
    async make({ start, end }, area, measure) {
      for (let row = start; row < end; row++) {
        const { tensor, row: origin } = originOf(row);
        const codes = blocksOf.get(tensor) ?? "";
        const blocks = await model.readBytes(codes, origin * blockLength, (origin + 1) * blockLength);
        const scales = await model.readBytes(tensor, origin * scaleLength, (origin + 1) * scaleLength);
        const at = (row - start) * units.unitByteLength;
        const out = area.bytes("out", at, at + units.unitByteLength);
        repackMxfp4Row(blocks, scales, out);
        if (measure === undefined || !scales.some((scale) => scale > LARGEST_SAFE_SCALE)) continue;
        const values = new Float32Array(rows.length);
        codec.dequantize(out, values);
        measure.look(values, (row - start) * rows.length);
      }
      return area.bytes("out", 0, (end - start) * units.unitByteLength);
    },
  };
}
