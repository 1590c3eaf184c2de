/**
 * Four-bit floats as compressed-tensors chooses them (compressed-tensors, quantization/utils/helpers.py, `generate_gparam`;
 * quantization/utils/mxfp_utils.py, `generate_mx_scales`; quantization/utils/fp4_utils.py).
 */
import { allocateParts, type PartBytes, type ScaleEncoding } from "@requant/core/format";
import {
  E2M1_VALUES,
  E4M3_MAX,
  E4M3_VALUES,
  e8m0ToFloat,
  floatToE2m1,
  floatToE4m3,
  ROUND_TO,
} from "@requant/core/numeric";
import { largestMagnitude } from "./amax.ts";
import { type Float4Layout, float4Codec, partOf, writeGlobal } from "./float4.ts";

const E2M1_MAX = /* @__PURE__ */ E2M1_VALUES.at(7)!;
/** The scale of a group of zeros: 0.125. */
const ZERO_GROUP = 0x20;
const SMALLEST_NORMAL = 2 ** -126;

/** The model's own float type, where it is known: steps are rounded to it, as the library does. */
export interface Float4Arithmetic {
  readonly arithmetic?: ScaleEncoding | undefined;
}

/** All rows: the global scale depends on the largest weight. */
export function packNvfp4(
  layout: Float4Layout & Float4Arithmetic,
  values: Float32Array,
): Record<string, Uint8Array> {
  const { rows, columns, groupSize, arithmetic = "F32" } = layout;
  const bytes = allocateParts(float4Codec.parts(layout));
  const round = ROUND_TO[arithmetic];
  const whole = { rowStart: 0, rowEnd: rows, columnStart: 0, columnEnd: columns };
  const largest = Math.max(largestMagnitude(values, columns, whole), SMALLEST_NORMAL);
  // torch divides a number by a tensor in two steps
  const quotient = round(Math.fround(round(Math.fround(1 / largest)) * (E4M3_MAX * E2M1_MAX)));
  const global = Number.isFinite(quotient) ? quotient : 1;
  writeGlobal(layout, global, bytes);
  const stored = partOf(layout, "weight_scale", bytes);
  const codes = new Uint8Array(values.length);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let columnStart = 0; columnStart < columns; columnStart += groupSize, at++) {
      const group = { rowStart: row, rowEnd: row + 1, columnStart, columnEnd: columnStart + groupSize };
      const own = round(Math.fround(largestMagnitude(values, columns, group) / E2M1_MAX));
      const code = floatToE4m3(Math.fround(global * own));
      stored[at] = code === 0 ? ZERO_GROUP : code;
      const scale = Math.fround(E4M3_VALUES[stored[at]!]! / global);
      for (let i = row * columns + columnStart, end = i + groupSize; i < end; i++) {
        codes[i] = e2m1Code(Math.fround(values[i]! / scale));
      }
    }
  }
  writeNibbles(layout, codes, 0, bytes);
  return bytes;
}

/** A band of rows. */
export function packMxfp4(
  layout: Float4Layout & Float4Arithmetic,
  values: Float32Array,
  rowStart: number,
  bytes: PartBytes,
): void {
  const { columns, groupSize, arithmetic = "F32" } = layout;
  const round = ROUND_TO[arithmetic];
  const rows = values.length / columns;
  const stored = partOf(layout, "weight_scale", bytes);
  const codes = new Uint8Array(values.length);
  let at = rowStart * (columns / groupSize);
  for (let row = 0; row < rows; row++) {
    for (let columnStart = 0; columnStart < columns; columnStart += groupSize, at++) {
      const group = { rowStart: row, rowEnd: row + 1, columnStart, columnEnd: columnStart + groupSize };
      stored[at] = scaleByte(largestMagnitude(values, columns, group));
      const scale = e8m0ToFloat(stored[at]!);
      for (let i = row * columns + columnStart, end = i + groupSize; i < end; i++) {
        codes[i] = e2m1Code(round(Math.fround(values[i]! / scale)));
      }
    }
  }
  writeNibbles(layout, codes, rowStart, bytes);
}

const floatScratch = /* @__PURE__ */ new Float32Array(1);
const bitScratch = /* @__PURE__ */ new Uint32Array(floatScratch.buffer);

/** A quarter of the power of two that is nearest: from 1.75 times one on it is the next. 0 for zeros. */
function scaleByte(largest: number): number {
  floatScratch[0] = largest;
  return Math.max(0, ((bitScratch[0]! + 0x200000) >>> 23) - 2);
}

/** As the library: −0 becomes 0, and small negative numbers −0. */
function e2m1Code(value: number): number {
  return value === 0 ? 0 : floatToE2m1(value);
}

/** Codes of rows from `rowStart` on, two in a byte. */
export function writeNibbles(
  layout: Float4Layout,
  codes: Uint8Array,
  rowStart: number,
  bytes: PartBytes,
): void {
  const packed = partOf(layout, "weight_packed", bytes);
  for (let i = 0, to = (rowStart * layout.columns) / 2; i < codes.length; i += 2, to++) {
    packed[to] = codes[i]! | (codes[i + 1]! << 4);
  }
}
