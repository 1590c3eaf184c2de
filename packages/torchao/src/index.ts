/**
 * Weights of torchao: the codec, the configuration, and the format as `@requant/convert` uses it.
 * @module
 * @example
 * import type { LinearPart, PartBytes } from "@requant/core/format";
 * import { torchaoCodec } from "@requant/torchao";
 *
 * // encoding, shape and bytes of _weight_qdata, _weight_scale and _weight_zero_point
 * function valuesOf(parts: LinearPart[], bytes: PartBytes): Float32Array {
 *   const layout = torchaoCodec.readLayout(parts, undefined);
 *   const values = new Float32Array(layout.rows * layout.columns); // W[out, in]
 *   torchaoCodec.open(layout, bytes).dequantize(0, layout.rows, values);
 *   return values;
 * }
 */
export { type TorchaoLayout, torchaoCodec } from "./codec.ts";
export { parseTorchaoConfig, type TorchaoConfig } from "./config.ts";
export { torchaoFormat } from "./format.ts";
