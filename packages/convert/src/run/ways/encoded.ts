/** Through f32: read, mapped, encoded. */
import { rowLength as rowLengthOf } from "@requant/core";
import { openWeight, type WeightReader } from "@requant/models";
import { codecOf, encoderOf } from "../../model/encodings.ts";
import type { Model } from "../../model/model.ts";
import { weightSource } from "../../model/weight-source.ts";
import {
  type BandMaker,
  type ColumnImportance,
  importanceAt,
  isReadWhole,
  plainInput,
  type Rows,
  rowsOf,
  rowUnits,
  type WeightTask,
} from "../bands.ts";
import type { ErrorMeter } from "../error-meter.ts";
import type { WorkArea } from "../work-area.ts";

/** f32 bytes that are worked on at a time inside a band: they, their codes and the decoded ones fit a core's cache. */
const CACHED_BYTE_LENGTH = 128 * 1024;

/** Through f32: read, map, encode; where it `decodes`, a measure gets the result decoded again. */
export function encoded(
  model: Model,
  task: WeightTask,
  importance: ColumnImportance | undefined,
  decodes: boolean,
): BandMaker {
  const rows = rowsOf(task.shape);
  const units = rowUnits(task, rows);
  const { unitByteLength } = units;
  const codec = encoderOf(task.to, { tensor: task.name });
  const rowFloats = rows.length * Float32Array.BYTES_PER_ELEMENT;
  const step = Math.max(1, Math.floor(CACHED_BYTE_LENGTH / rowFloats));
  const direct = directRows(model, task, rows);
  let reader: WeightReader | undefined;

  /** Rows `[start, end)`, whose values are given, to their place in the band that starts at `bandStart`. */
  function encodeRows(
    area: WorkArea,
    values: Float32Array,
    start: number,
    end: number,
    bandStart: number,
    measure: ErrorMeter | undefined,
  ): void {
    const out = area.bytes("out", (start - bandStart) * unitByteLength, (end - bandStart) * unitByteLength);
    codec.quantize(values, rows.length, out, importanceAt(importance, rows, start));
    if (measure === undefined) return;
    if (!decodes) {
      measure.look(values, (start - bandStart) * rows.length);
      return;
    }
    const back = area.floats("decoded", values.length);
    codec.dequantize(out, back);
    measure.add(values, back);
  }

  return {
    ...units,
    whole: isReadWhole(model, task),
    sizes: (count) => ({
      stored: direct === undefined ? 0 : count * direct.rowByteLength,
      values: (direct === undefined ? count : Math.min(count, step)) * rowFloats,
      decoded: decodes ? Math.min(count, step) * rowFloats : 0,
      out: count * unitByteLength,
    }),
    async make({ start, end }, area, measure) {
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
        encodeRows(area, values, row, last, start, measure);
      }
      return area.bytes("out", 0, (end - start) * unitByteLength);
    },
  };
}

interface DirectRows {
  readonly rowByteLength: number;
  /** Stored rows from `row` on, as many as `target` holds. */
  read(row: number, target: Uint8Array): Promise<void>;
  decode(bytes: Uint8Array, values: Float32Array): void;
}

/** The stored rows of a tensor that become output rows one by one, where there is nothing in between. */
function directRows(model: Model, task: WeightTask, rows: Rows): DirectRows | undefined {
  const input = plainInput(task);
  if (input === undefined) return undefined;
  const { encoding, shape, linear } = model.tensor(input.tensor);
  if (linear !== undefined || rowLengthOf(shape) !== rows.length) return undefined;
  const codec = codecOf(encoding, { tensor: input.tensor });
  if (rows.length % codec.blockSize !== 0) return undefined;
  const rowByteLength = (rows.length / codec.blockSize) * codec.blockByteLength;
  return {
    rowByteLength,
    read: (row, target) => model.readInto(input.tensor, row * rowByteLength, target),
    decode: (bytes, values) => codec.dequantize(bytes, values),
  };
}
