/**
 * AWQ weights: the codec, the configuration, and the format as `@requant/convert` uses it.
 * @module
 * @example
 * import type { LinearPart, PartBytes } from "@requant/core/format";
 * import { awqCodec, parseAwqConfig } from "@requant/awq";
 *
 * // encoding, shape and bytes of qweight, qzeros and scales
 * function valuesOf(parts: LinearPart[], bytes: PartBytes, config: unknown): Float32Array {
 *   const layout = awqCodec.readLayout(parts, parseAwqConfig(config));
 *   const values = new Float32Array(layout.rows * layout.columns); // W[out, in]
 *   awqCodec.open(layout, bytes).dequantize(0, layout.rows, values);
 *   return values;
 * }
 */

export type { GroupRounding } from "./calibrate/round-groups.ts";
export { clippedWeights, searchClips } from "./calibrate/search-clips.ts";
export { type FoundScales, type ScaleSearch, searchScales } from "./calibrate/search-scales.ts";
export { awqCodec, awqVersionOf } from "./codec.ts";
export {
  type AwqConfig,
  type AwqVersion,
  awqQuantizesModule,
  parseAwqConfig,
  serializeAwqConfig,
} from "./config.ts";
export { awqFormat } from "./format.ts";
export type { AwqClaims, AwqLayout } from "./packing.ts";
export { quantizeAwq } from "./quantize.ts";
