/**
 * Floats of 4 and 8 bits: the elements and the scales of FP8, MXFP4 and NVFP4.
 * @module
 * @example
 * import { E2M1_VALUES, E4M3_VALUES, e8m0ToFloat } from "@requant/core/numeric";
 *
 * const weight: number = (E2M1_VALUES[5] ?? 0) * e8m0ToFloat(126); // 3 × 2^-1
 * const scale: number | undefined = E4M3_VALUES[0x38]; // 1
 */
export { dequantizeE4m3 } from "../kernels/float8-twin.ts";
export { ROUND_TO } from "./float-rounding.ts";
export { E2M1_VALUES, floatToE2m1 } from "./float4.ts";
export {
  E4M3_MAX,
  E4M3_VALUES,
  E5M2_VALUES,
  e8m0ToFloat,
  FLOAT8_ENCODINGS,
  FLOAT8_VALUES,
  type Float8Encoding,
  floatToE4m3,
  floatToE8m0,
  isE4m3Scale,
} from "./float8.ts";
export { exactFloatTypes } from "./float8-exact.ts";
export type { RowScales } from "./float8-rows.ts";
