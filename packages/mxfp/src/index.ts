/**
 * Weights of four-bit floats with block scales: MXFP4 as gpt-oss, DeepSeek V4 and ModelOpt store it, and NVFP4 of ModelOpt.
 * @module
 * @example
 * import type { LinearPart, PartBytes } from "@requant/core/format";
 * import { nvfp4Codec } from "@requant/mxfp";
 *
 * // encoding, shape and bytes of weight, weight_scale and weight_scale_2
 * function valuesOf(parts: LinearPart[], bytes: PartBytes): Float32Array {
 *   const layout = nvfp4Codec.readLayout(parts, {});
 *   const values = new Float32Array(layout.rows * layout.columns); // W[out, in]
 *   nvfp4Codec.open(layout, bytes).dequantize(0, layout.rows, values);
 *   return values;
 * }
 */

export { ggmlBlocksFormat } from "./ggml-blocks.ts";
export { type Mxfp4Layout, type Mxfp4Store, mxfp4Codec } from "./mxfp4-codec.ts";
export { mxfp4Format } from "./mxfp4-source.ts";
export { type Nvfp4Layout, nvfp4Codec } from "./nvfp4-codec.ts";
export {
  type ModelOptConfig,
  parseModelOptConfig,
  serializeModelOptConfig,
  type WrittenModelOptConfig,
} from "./nvfp4-config.ts";
export { quantizeNvfp4, tensorScaleOf } from "./nvfp4-quantize.ts";
export { nvfp4Format } from "./nvfp4-source.ts";
