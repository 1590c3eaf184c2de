/**
 * Weights of MLX (mlx-lm): the codec, the configuration, the quantizer, and the format as `@requant/convert` uses it.
 * @module
 * @example
 * import type { LinearPart, PartBytes } from "@requant/core/format";
 * import { mlxCodec } from "@requant/mlx";
 *
 * // encoding, shape and bytes of weight, scales and biases
 * function valuesOf(parts: LinearPart[], bytes: PartBytes): Float32Array {
 *   const layout = mlxCodec.readLayout(parts, { bits: 4, groupSize: 64 });
 *   const values = new Float32Array(layout.rows * layout.columns); // W[out, in]
 *   mlxCodec.open(layout, bytes).dequantize(0, layout.rows, values);
 *   return values;
 * }
 */

export { type MlxClaims, type MlxLayout, type MlxMode, mlxCodec } from "./codec.ts";
export { type MlxConfig, type MlxSettings, parseMlxConfig, serializeMlxConfig } from "./config.ts";
export { mlxFormat } from "./format.ts";
export { type MlxCodes, quantizeMlx } from "./quantize.ts";
