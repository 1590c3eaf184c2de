/**
 * Weights of EETQ: the codec, the configuration, and the format as `@requant/convert` uses it.
 * @module
 * @example
 * import type { LinearPart, PartBytes } from "@requant/core/format";
 * import { eetqCodec } from "@requant/eetq";
 *
 * // encoding, shape and bytes of weight and weight_scales
 * function valuesOf(parts: LinearPart[], bytes: PartBytes): Float32Array {
 *   const layout = eetqCodec.readLayout(parts, undefined);
 *   const values = new Float32Array(layout.rows * layout.columns); // W[out, in]
 *   eetqCodec.open(layout, bytes).dequantize(0, layout.rows, values);
 *   return values;
 * }
 */
export { type EetqLayout, eetqCodec } from "./codec.ts";
export { type EetqConfig, parseEetqConfig } from "./config.ts";
export { eetqFormat } from "./format.ts";
