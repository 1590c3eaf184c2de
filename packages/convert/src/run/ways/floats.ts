/** Through f32: read, computed where the inputs say so, encoded. */
import { UsageError } from "@requant/core";
import { openWeight, type WeightReader } from "@requant/models";
import { blockOf, codecOf, encoderOf } from "../../model/encodings.ts";
import type { Model } from "../../model/model.ts";
import { weightSource } from "../../model/weight-source.ts";
import { plainInput } from "../../plan/choose-way.ts";
import type { PlanTensor } from "../../plan/plan.ts";
import { guideAt, type Rows, rowsOf, rowUnits, type WayRunner } from "../bands.ts";
import type { ErrorMeter } from "../error-meter.ts";
import type { MatrixGuide } from "../guides.ts";
import { isMeasured } from "../measured.ts";
import { solvedErrors } from "../solve-rows.ts";
import type { WorkArea } from "../work-area.ts";
import { guidedBlocks } from "./guided-blocks.ts";

/** f32 bytes that are worked on at a time inside a band: they, their codes and the decoded ones fit a core's cache. */
const CACHED_BYTE_LENGTH = 128 * 1024;

/** Rows that are encoded at a time. */
function stepOf(rows: Rows): number {
  return Math.max(1, Math.floor(CACHED_BYTE_LENGTH / (rows.length * Float32Array.BYTES_PER_ELEMENT)));
}

/** What is the same for all rows of a band. */
interface BandContext {
  readonly meter: ErrorMeter | undefined;
  readonly here: MatrixGuide;
}

/** Where values change, the meter gets the result decoded again. */
export const throughFloats: WayRunner = {
  layout(task) {
    const rows = rowsOf(task.shape);
    const units = rowUnits(task, rows);
    const rowFloats = rows.length * Float32Array.BYTES_PER_ELEMENT;
    const step = stepOf(rows);
    const direct = isDirect(task);
    return {
      ...units,
      sizes: (count) => ({
        stored: direct ? count * storedRowByteLength(task, rows) : 0,
        values: (direct ? Math.min(count, step) : count) * rowFloats,
        decoded: isMeasured(task) ? Math.min(count, step) * rowFloats : 0,
        out: count * units.unitByteLength,
      }),
    };
  },
  maker(model, task, guide) {
    const rows = rowsOf(task.shape);
    const { unitByteLength } = rowUnits(task, rows);
    const codec = encoderOf(task.to, { tensor: task.name });
    const step = stepOf(rows);
    const direct = isDirect(task) ? directRows(model, task, rows) : undefined;
    const decodes = isMeasured(task);
    let reader: WeightReader | undefined;

    /** Rows `[start, end)`, whose values are given, to their place in the band that starts at `bandStart`. */
    function encodeRows(
      area: WorkArea,
      values: Float32Array,
      start: number,
      end: number,
      bandStart: number,
      { meter, here }: BandContext,
    ): void {
      const out = area.bytes("out", (start - bandStart) * unitByteLength, (end - bandStart) * unitByteLength);
      guidedBlocks(codec, values, rows.length, out, here);
      if (meter === undefined) return;
      if (!decodes) {
        meter.look(values, (start - bandStart) * rows.length);
        return;
      }
      const back = area.floats("decoded", values.length);
      codec.dequantize(out, back);
      meter.add(values, back);
      const band = { start, end };
      meter.addOutput(solvedErrors({ values, solved: back, band, shape: task.shape }, here, rounded));
    }

    /** Rows as plain rounding would store them. */
    function rounded(values: Float32Array): Float32Array {
      const bytes = new Uint8Array((values.length / rows.length) * unitByteLength);
      const back = new Float32Array(values.length);
      codec.quantize(values, rows.length, bytes);
      codec.dequantize(bytes, back);
      return back;
    }

    return async ({ start, end }, area, meter) => {
      const here = await guideAt(guide, rows, start);
      if (direct === undefined) {
        reader ??= openWeight(task, weightSource(model));
        await reader.readRows(start, end, area.floats("values", (end - start) * rows.length));
      } else {
        await direct.read(start, area.bytes("stored", 0, (end - start) * direct.rowByteLength));
      }
      for (let row = start; row < end; row += step) {
        const last = Math.min(row + step, end);
        const length = (last - row) * rows.length;
        let values: Float32Array;
        if (direct === undefined) {
          const offset = (row - start) * rows.length;
          values = area.floats("values", offset + length).subarray(offset);
        } else {
          values = area.floats("values", length);
          direct.decode(
            area.bytes("stored", (row - start) * direct.rowByteLength, (last - start) * direct.rowByteLength),
            values,
          );
        }
        encodeRows(area, values, row, last, start, { meter, here });
      }
      return area.bytes("out", 0, (end - start) * unitByteLength);
    };
  },
};

function isDirect({ way }: PlanTensor): boolean {
  return way.kind === "floats" && way.direct;
}

/** Of a weight that is read directly, from one stored tensor. */
function storedRowByteLength({ from, name }: PlanTensor, rows: Rows): number {
  const { blockSize, blockByteLength } = blockOf(from, { tensor: name });
  return (rows.length / blockSize) * blockByteLength;
}

interface DirectRows {
  readonly rowByteLength: number;
  /** Stored rows from `row` on, as many as `target` holds. */
  read(row: number, target: Uint8Array): Promise<void>;
  decode(bytes: Uint8Array, values: Float32Array): void;
}

/** The stored rows of a tensor that become output rows one by one. */
function directRows(model: Model, task: PlanTensor, rows: Rows): DirectRows {
  const input = plainInput(task);
  if (input === undefined) {
    throw new UsageError("The plan reads rows of several tensors as those of one.", { tensor: task.name });
  }
  const rowByteLength = storedRowByteLength(task, rows);
  const codec = codecOf(task.from, { tensor: input.tensor });
  return {
    rowByteLength,
    read: (row, target) => model.readInto(input.tensor, row * rowByteLength, target),
    decode: (bytes, values) => codec.dequantize(bytes, values),
  };
}
