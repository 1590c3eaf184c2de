/** Floats of a byte each: formats float-quantized, naive-quantized and mxfp8-quantized. */
import { type ErrorPlace, FormatError } from "@requant/core";
import { findPart, type LinearLayout, type LinearPart, type ScaleEncoding, scaleEncoding } from "@requant/core/format";
import { matrixShape } from "./parts.ts";
import { type GridClaims, gridShape, readScaleGrid, type ScaleGrid } from "./scale-grid.ts";

/** compressed-tensors, formats float-quantized and naive-quantized: K columns of W, N rows
 *   weight        F8_E4M3         [N, K]
 *   weight_scale  F16, BF16, F32  [1], [N, 1], [N, G], or one for each block: [⌈N ÷ rows⌉, ⌈K ÷ columns⌉]
 * and mxfp8-quantized, whose scales are powers of two, a byte each (E8M0):
 *   weight_scale  U8              [N, K ÷ 32]
 * value = scale × code.
 * Source: compressed-tensors, compressors/naive_quantized/base.py and compressors/mxfp8/base.py.
 */
export interface Float8Layout extends LinearLayout, ScaleGrid {
  readonly kind: "float8";
  readonly scale: ScaleEncoding | "E8M0";
}
