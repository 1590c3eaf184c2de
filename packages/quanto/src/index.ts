/**
 * Weights of quanto: the codec, the configuration, and the format as `@requant/convert` uses it.
 * @module
 * @example
 * import type { LinearPart, PartBytes } from "@requant/core/format";
 * import { quantoCodec } from "@requant/quanto";
 *
 * // encoding, shape and bytes of weight._data._data, weight._scale and weight._shift
 * function valuesOf(parts: LinearPart[], bytes: PartBytes): Float32Array {
 *   const layout = quantoCodec.readLayout(parts, { columns: 4096 }); // which quanto stores nowhere
 *   const values = new Float32Array(layout.rows * layout.columns); // W[out, in]
 *   quantoCodec.open(layout, bytes).dequantize(0, layout.rows, values);
 *   return values;
 * }
 */
export { type QuantoClaims, type QuantoLayout, quantoCodec } from "./codec.ts";
export { parseQuantoConfig, type QuantoConfig } from "./config.ts";
export { quantoFormat } from "./format.ts";
