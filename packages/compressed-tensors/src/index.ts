/**
 * Weights of compressed-tensors: the codec, the configuration, and the format as `@requant/convert` uses it.
 * @module
 * @example
 * import type { LinearPart, PartBytes } from "@requant/core/format";
 * import { compressedTensorsCodec } from "@requant/compressed-tensors";
 *
 * // encoding, shape and bytes of weight_packed, weight_scale and weight_shape
 * function valuesOf(parts: LinearPart[], bytes: PartBytes): Float32Array {
 *   const layout = compressedTensorsCodec.readLayout(parts, { bits: 4, groupSize: 128 });
 *   const values = new Float32Array(layout.rows * layout.columns); // W[out, in]
 *   compressedTensorsCodec.open(layout, bytes).dequantize(0, layout.rows, values);
 *   return values;
 * }
 */

export {
  COMPRESSION_FORMATS,
  type CompressedTensorsConfig,
  type CompressedTensorsGroup,
  type CompressionFormat,
  parseCompressedTensorsConfig,
  type Strategy,
  type UnreadGroup,
} from "./config.ts";
export { type Float4Codec, type Float4Layout, float4Codec } from "./float4.ts";
export { type CompressedFloat8Codec, type CompressedFloat8Layout, compressedFloat8Codec } from "./float8.ts";
export { compressedTensorsFormat } from "./format.ts";
export { type Int8Layout, int8Codec } from "./int8.ts";
export {
  type CompressedTensorsClaims,
  type CompressedTensorsLayout,
  compressedTensorsCodec,
} from "./packed-int.ts";
export { quantizeCompressedTensors } from "./quantize-int.ts";
export type { GridClaims, ScaleGrid, ScaleShape } from "./scale-grid.ts";
export { type ActivationArgs, serializeCompressedTensorsConfig } from "./write-config.ts";
