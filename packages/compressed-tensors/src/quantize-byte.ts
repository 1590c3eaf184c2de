/**
 * Rounding to nearest, as compressed-tensors does it in the float type of the model: each step is computed in f32 and
 * rounded to that type (compressed-tensors, quantization/utils/helpers.py, `calculate_qparams`, and
 * quantization/lifecycle/forward_helpers.py, `_quantize`).
 */
import { roundHalfEven } from "@requant/core";
import type { PartBytes, ScaleEncoding } from "@requant/core/format";
import { E4M3_MAX, floatToE4m3, ROUND_TO } from "@requant/core/numeric";
import { type IntegerView, quantizeView, sequentialGroups } from "@requant/core/view";
import { checkScale, largestMagnitude } from "./amax.ts";
import { type CompressedFloat8Layout, writeFloat8 } from "./float8.ts";
import type { Int8Layout } from "./int8.ts";

/** The float type that scales are computed and stored in, and the one that weights are divided in. */
export interface Arithmetic {
  readonly scale: ScaleEncoding;
  /** The model's own float type, where it is known: quotients are rounded to it, as the library does. */
  readonly arithmetic?: ScaleEncoding | undefined;
}

/** The distance from 1 to the next number of the type: the scale for a group of zeros. */
const EPSILON: Readonly<Record<ScaleEncoding, number>> = { F32: 2 ** -23, F16: 2 ** -10, BF16: 2 ** -7 };

/** Half of the codes, −128 to 127. */
const INT8_STEPS = 127.5;

/** Rows of floats as signed integers of a byte, one scale for each group of columns. */
export function quantizeInt8(
  { columns, blockColumns }: Pick<Int8Layout, "columns" | "blockColumns">,
  { scale: encoding, arithmetic = "F32" }: Arithmetic,
  values: Float32Array,
  rows: number,
): IntegerView {
  const groupOfColumn = sequentialGroups(columns, blockColumns);
  const groupCount = Math.ceil(columns / blockColumns);
  const codes = new Uint8Array(values.length);
  const scales = new Float32Array(rows * groupCount);
  const round = ROUND_TO[arithmetic];
  for (let row = 0, at = 0; row < rows; row++) {
    for (let columnStart = 0; columnStart < columns; columnStart += blockColumns, at++) {
      const columnEnd = Math.min(columnStart + blockColumns, columns);
      const largest = largestMagnitude(values, columns, {
        rowStart: row,
        rowEnd: row + 1,
        columnStart,
        columnEnd,
      });
      const scale = ROUND_TO[encoding](Math.fround(largest / INT8_STEPS)) || EPSILON[encoding];
      checkScale(scale, encoding, row, row * columns + columnStart);
      scales[at] = scale;
      for (let i = row * columns + columnStart; i < row * columns + columnEnd; i++) {
        const code = roundHalfEven(round(Math.fround(values[i]! / scale)));
        codes[i] = 128 + Math.max(-128, Math.min(127, code));
      }
    }
  }
  const zeros = new Int16Array(scales.length).fill(128);
  return { rows, columns, groupCount, groupOfColumn, codes, scales, zeros, rounding: "none" };
}

/** As `quantizeInt8`, with the scales that have the least error, weighed by the importance of each column. */
export function searchInt8(
  { columns, blockColumns, scale }: Pick<Int8Layout, "columns" | "blockColumns" | "scale">,
  values: Float32Array,
  rows: number,
  importance: Float32Array,
): IntegerView {
  const grid = { bits: 8, groupSize: blockColumns, symmetric: true, scale };
  return quantizeView(values, rows, columns, { ...grid, search: true, importance });
}

/** A band of rows of floats to 8-bit floats, one scale for each block; the band begins at a whole block. */
export function packFloat8(
  layout: CompressedFloat8Layout & Arithmetic,
  values: Float32Array,
  rowStart: number,
  bytes: PartBytes,
): void {
  const { columns, blockRows, blockColumns, scale: encoding, arithmetic = "F32" } = layout;
  const rows = values.length / columns;
  const codes = new Uint8Array(values.length);
  const scales = new Float32Array(Math.ceil(rows / blockRows) * Math.ceil(columns / blockColumns));
  const round = ROUND_TO[arithmetic];
  let at = 0;
  for (let row = 0; row < rows; row += blockRows) {
    const rowEnd = Math.min(row + blockRows, rows);
    for (let columnStart = 0; columnStart < columns; columnStart += blockColumns, at++) {
      const columnEnd = Math.min(columnStart + blockColumns, columns);
      const block = { rowStart: row, rowEnd, columnStart, columnEnd };
      const largest = largestMagnitude(values, columns, block);
      const scale = ROUND_TO[encoding](Math.fround(largest / E4M3_MAX)) || EPSILON[encoding];
      checkScale(scale, encoding, row, row * columns + columnStart);
      scales[at] = scale;
      for (let own = row; own < rowEnd; own++) {
        for (let i = own * columns + columnStart; i < own * columns + columnEnd; i++) {
          codes[i] = floatToE4m3(round(Math.fround(values[i]! / scale)));
        }
      }
    }
  }
  writeFloat8(layout, codes, scales, rowStart, bytes);
}
