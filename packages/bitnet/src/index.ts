/**
 * Weights of BitNet: the codec, the configuration, and the format as `@requant/convert` uses it.
 * @module
 * @example
 * import { bitnetCodec } from "@requant/bitnet";
 * import type { LinearPart, PartBytes } from "@requant/core/format";
 *
 * // encoding, shape and bytes of weight and weight_scale
 * function valuesOf(parts: LinearPart[], bytes: PartBytes): Float32Array {
 *   const layout = bitnetCodec.readLayout(parts, { scaleIs: "divisor" });
 *   const values = new Float32Array(layout.rows * layout.columns); // W[out, in]
 *   bitnetCodec.open(layout, bytes).dequantize(0, layout.rows, values);
 *   return values;
 * }
 */
export { type BitnetClaims, type BitnetLayout, bitnetCodec } from "./codec.ts";
export { type BitnetConfig, parseBitnetConfig } from "./config.ts";
export { bitnetFormat } from "./format.ts";
