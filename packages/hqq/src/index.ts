/**
 * Weights of HQQ: the codec, the configuration, and the format as `@requant/convert` uses it.
 * @module
 * @example
 * import type { LinearPart, PartBytes } from "@requant/core/format";
 * import { hqqCodec } from "@requant/hqq";
 *
 * // encoding, shape and bytes of W_q, scale and zero; `meta` says what the tensors nbits, group_size, axis and shape hold
 * function valuesOf(parts: LinearPart[], bytes: PartBytes): Float32Array {
 *   const meta = { rows: 4096, columns: 4096, bits: 4, groupSize: 64, axis: 1 } as const;
 *   const layout = hqqCodec.readLayout(parts, { meta });
 *   const values = new Float32Array(layout.rows * layout.columns); // W[out, in]
 *   hqqCodec.open(layout, bytes).dequantize(0, layout.rows, values);
 *   return values;
 * }
 */
export { type HqqClaims, type HqqLayout, hqqCodec } from "./codec.ts";
export { type HqqConfig, parseHqqConfig } from "./config.ts";
export { hqqFormat } from "./format.ts";
export { type HqqMeta, readMeta } from "./meta.ts";
