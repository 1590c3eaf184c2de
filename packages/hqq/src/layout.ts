import { type ErrorPlace, FormatError } from "@requant/core";
import {
  checkParts,
  findPart,
  type LinearLayout,
  type LinearPart,
  type ScaleEncoding,
  scaleEncoding,
} from "@requant/core/format";
import { type HqqMeta, META_SUFFIXES } from "./meta.ts";
import { packingOf } from "./packing.ts";

/** HQQ: N rows and K columns of W, flattened, are a matrix of R rows and C columns: [N K / g, g] with axis 1, where a row of
 * it is a group; [g, N K / g] with axis 0, where a column is one.
 *   W_q    U8 (I32)         [⌈R / F⌉, C]       F codes in each number, of rows S = ⌈R / F⌉ apart: row r is in number
 *                                              [r mod S], the first S rows in the highest bits
 *   scale  F32 (F16, BF16)  [R, 1] or [1, C]
 *   zero   as scale         the same
 *   nbits, group_size, axis (I32), shape (I64), packing (ASCII) and others
 * F is 8 / bits; with 3 bits it is 10, in an I32 whose two highest bits are unused.
 * value = T(T(code − zero) × scale), T the type of scale. Zero points are no integers.
 * Source: hqq, core/quantize.py (`Quantizer.dequantize`), core/bitpack.py.
 */
export interface HqqLayout extends LinearLayout {
  readonly bits: number;
  readonly groupSize: number;
  /** 1: groups are runs of the flattened weight; 0: each `groups`-th weight is of the same group. */
  readonly axis: 0 | 1;
  readonly scale: ScaleEncoding;
  /** The stored parts, in the order of the file: which settings are among them differs from version to version. */
  readonly stored: readonly LinearPart[];
}

/** What the shapes do not tell. */
export interface HqqClaims {
  readonly meta: HqqMeta;
}

/** The matrix that is packed and grouped. */
export interface HqqMatrix {
  readonly rows: number;
  readonly columns: number;
  /** Rows that share a number are so many rows apart. */
  readonly stride: number;
}

/** The matrix that the flattened weight is reshaped to. */
export function matrixOf(
  layout: Pick<HqqLayout, "rows" | "columns" | "groupSize" | "axis" | "bits">,
): HqqMatrix {
  const groups = (layout.rows * layout.columns) / layout.groupSize;
  const [rows, columns] = layout.axis === 1 ? [groups, layout.groupSize] : [layout.groupSize, groups];
  return { rows, columns, stride: Math.ceil(rows / packingOf(layout).fields) };
}

/** The layout of the parts. @throws FormatError where parts and settings contradict each other */
export function readLayout(
  parts: readonly LinearPart[],
  { meta }: HqqClaims,
  place: ErrorPlace = {},
): HqqLayout {
  const { rows, columns, bits, groupSize, axis } = meta;
  const scale = findPart(parts, "scale", place);
  const count = rows * columns;
  if (!Number.isSafeInteger(count) || count % groupSize !== 0) {
    throw new FormatError(
      `HQQ's settings say [${rows}, ${columns}] in groups of ${groupSize}, which do not divide the weight.`,
      place,
    );
  }
  const layout: HqqLayout = {
    rows,
    columns,
    bits,
    groupSize,
    axis,
    scale: scaleEncoding(scale, place),
    stored: parts.map(({ suffix, encoding, shape }) => ({ suffix, encoding, shape: [...shape] })),
  };
  const matrix = matrixOf(layout);
  const { encoding, fields } = packingOf(layout);
  if (encoding === "U8" && matrix.rows % fields !== 0) {
    throw new FormatError(
      `HQQ packs ${fields} rows in a byte, and the weight is a matrix of ${matrix.rows} rows.`,
      place,
    );
  }
  const list = axis === 1 ? [matrix.rows, 1] : [1, matrix.columns];
  const expected = [
    { suffix: "W_q", encoding, shape: [matrix.stride, matrix.columns] },
    { suffix: "scale", encoding: layout.scale, shape: list },
    { suffix: "zero", encoding: layout.scale, shape: list },
  ];
  checkParts(parts, expected, layout, place);
  return layout;
}

/** All parts that a weight may have. */
export const HQQ_SUFFIXES: readonly string[] = ["W_q", "scale", "zero", ...META_SUFFIXES];
