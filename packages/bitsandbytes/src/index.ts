/**
 * Weights of bitsandbytes: the codec, the configuration, and the format as `@requant/convert` uses it.
 * @module
 * @example
 * import { bitsAndBytesCodec, parseQuantState } from "@requant/bitsandbytes";
 * import type { LinearPart, PartBytes } from "@requant/core/format";
 *
 * // encoding, shape and bytes of weight, weight.absmax, weight.quant_map and weight.quant_state.bitsandbytes__nf4
 * function valuesOf(parts: LinearPart[], bytes: PartBytes): Float32Array {
 *   const json = bytes["weight.quant_state.bitsandbytes__nf4"] ?? new Uint8Array(0);
 *   const layout = bitsAndBytesCodec.readLayout(parts, { state: parseQuantState(json) });
 *   const values = new Float32Array(layout.rows * layout.columns); // W[out, in]
 *   bitsAndBytesCodec.open(layout, bytes).dequantize(0, layout.rows, values);
 *   return values;
 * }
 */
export {
  type BitsAndBytesClaims,
  type BitsAndBytesLayout,
  bitsAndBytesCodec,
  type EightBitLayout,
  type FourBitLayout,
} from "./codec.ts";
export {
  type BitsAndBytesConfig,
  parseBitsAndBytesConfig,
  serializeBitsAndBytesConfig,
  type WrittenConfig,
} from "./config.ts";
export { bitsAndBytesFormat } from "./format.ts";
export { parseQuantState, type QuantState } from "./quant-state.ts";
export { packNf4Rows, packNf4Whole } from "./quantize.ts";
