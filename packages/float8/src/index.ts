/**
 * FP8 weights with scales per block, row or tensor: the codec, the configuration, and the format as `@requant/convert` uses
 * it.
 * @module
 * @example
 * import type { LinearPart, PartBytes } from "@requant/core/format";
 * import { float8Codec } from "@requant/float8";
 *
 * // encoding, shape and bytes of weight and weight_scale_inv
 * function valuesOf(parts: LinearPart[], bytes: PartBytes): Float32Array {
 *   const layout = float8Codec.readLayout(parts, { blockSize: [128, 128] });
 *   const values = new Float32Array(layout.rows * layout.columns); // W[out, in]
 *   float8Codec.open(layout, bytes).dequantize(0, layout.rows, values);
 *   return values;
 * }
 */

export { type Float8Claims, type Float8Layout, float8Codec } from "./codec.ts";
export {
  type Float8Config,
  type Float8WrittenConfig,
  parseFloat8Config,
  serializeFloat8Config,
} from "./config.ts";
export { float8Format } from "./format.ts";
export type { Float8Scale, Float8ScaleName } from "./layout.ts";
export { type Float8Blocks, quantizeFloat8 } from "./quantize.ts";
