/** 8-bit weights (LLM.int8), opened. */
import { type ErrorPlace, UnsupportedError } from "@requant/core";
import {
  findPart,
  finiteFloats,
  type PartBytes,
  partBytes,
  type RowWeight,
  readFloats,
} from "@requant/core/format";
import { checkRows, checkValueCount } from "@requant/core/view";
import { type EightBitLayout, partsOf } from "./layout.ts";

/** f32(1 / 127), which each product is multiplied by: a division by 127 would give other values. */
const PER_CODE = Math.fround(1 / 127);

/** The largest magnitude of each row. @throws FormatError, UnsupportedError for codes that do not stand row by row */
export function eightBitScales(
  layout: EightBitLayout,
  bytes: PartBytes,
  place: ErrorPlace = {},
): Float32Array {
  const part = (suffix: string): Uint8Array =>
    partBytes(bytes, findPart(partsOf(layout), suffix, place), place);
  if (layout.hasFormat) checkWeightFormat(part("weight_format"), place);
  return finiteFloats(readFloats(part("SCB"), "F32"), "SCB", place);
}

/** The orders of codes, by number (bitsandbytes, utils.py: `LINEAR_8BIT_WEIGHTS_FORMAT_MAPPING`). */
const ORDERS: readonly string[] = ["row", "col32", "col_turing", "col_ampere"];

/** @throws UnsupportedError for every order but row by row */
export function checkWeightFormat(bytes: Uint8Array, place: ErrorPlace): void {
  const [order] = bytes;
  if (order === 0) return;
  throw new UnsupportedError(
    `The part weight_format is ${order}${order === undefined || ORDERS[order] === undefined ? "" : ` (${ORDERS[order]})`}, an order of codes that only old GPUs use; 0 (row) is read.`,
    { ...place, hint: "Load the model with bitsandbytes and save it again, or start from the float model." },
  );
}

/** Opens a weight. @throws FormatError, UnsupportedError as `eightBitScales` does */
export function openEightBit(layout: EightBitLayout, bytes: PartBytes, place: ErrorPlace = {}): RowWeight {
  const { rows, columns } = layout;
  const scales = eightBitScales(layout, bytes, place);
  const stored = partBytes(bytes, findPart(partsOf(layout), "weight", place), place);
  const codes = new Int8Array(stored.buffer, stored.byteOffset, stored.byteLength);
  return {
    rows,
    columns,
    dequantize(rowStart, rowEnd, out) {
      checkRows(rowStart, rowEnd, rows);
      checkValueCount(rowEnd - rowStart, columns, out.length);
      const fround = Math.fround;
      for (let row = rowStart, at = 0; row < rowEnd; row++) {
        const scale = scales[row]!;
        const end = (row + 1) * columns;
        for (let from = row * columns; from < end; from++, at++) {
          out[at] = fround(codes[from]! * scale) * PER_CODE;
        }
      }
    },
  };
}
