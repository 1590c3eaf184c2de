/**
 * EXL2 weights: the codec, the configuration, and the format as `@requant/convert` uses it.
 * @module
 * @example
 * import type { LinearPart, PartBytes } from "@requant/core/format";
 * import { exl2Codec } from "@requant/exl2";
 *
 * // encoding, shape and bytes of q_weight, q_scale, q_scale_max, q_groups and q_invperm
 * function valuesOf(parts: LinearPart[], bytes: PartBytes): Float32Array {
 *   const layout = exl2Codec.readLayout(parts, {});
 *   const values = new Float32Array(layout.rows * layout.columns); // W[out, in]
 *   exl2Codec.open(layout, bytes).dequantize(0, layout.rows, values);
 *   return values;
 * }
 */

export {
  allocateExl2,
  type Exl2Candidate,
  type Exl2Measurement,
  measureRecipes,
  sampleRows,
} from "./allocate.ts";
export { type Exl2Claims, type Exl2Layout, exl2Codec, exl2Groups } from "./codec.ts";
export { type Exl2Calibration, type Exl2Config, parseExl2Config, serializeExl2Config } from "./config.ts";
export { exl2Format } from "./format.ts";
export { EXL2_WIDTHS, type Exl2Group } from "./groups.ts";
export { type Exl2Integers, packExl2, unpackExl2 } from "./integers.ts";
export { type Exl2Quantized, type QuantizeExl2Options, quantizeExl2 } from "./quantize.ts";
export {
  type Exl2Recipe,
  type Exl2Width,
  exl2HeadRecipes,
  exl2Recipes,
  recipeBits,
  recipeGroups,
} from "./recipes.ts";
