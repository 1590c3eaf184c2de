/**
 * Weights of compressed-tensors: the codec, the configuration, and the format as `@requant/convert` uses it.
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
  type CompressedTensorsClaims,
  type CompressedTensorsLayout,
  compressedTensorsCodec,
} from "./codec.ts";
export {
  type CompressedTensorsConfig,
  type CompressedTensorsGroup,
  parseCompressedTensorsConfig,
  serializeCompressedTensorsConfig,
} from "./config.ts";
export { compressedTensorsFormat } from "./format.ts";
export { quantizeCompressedTensors } from "./quantize.ts";
