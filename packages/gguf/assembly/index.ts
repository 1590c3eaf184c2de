/** The kernels of @requant/gguf. The codec of the same file name in src/types/ defines what each must do. */
export { placeIQ1, placeIQ2_S, placeIQ2_XS, placeIQ2_XXS, placeIQ3_S, placeIQ3_XXS } from "./iq/codebooks";
export { tableIQ1, tableIQ2_S, tableIQ2_XS, tableIQ2_XXS, tableIQ3_S, tableIQ3_XXS } from "./iq/decode";
export { gridToQ4_0, gridToQ4_1, gridToQ4_K, gridToQ5_0, gridToQ5_1, gridToQ8_0, halvesOf } from "./grid-blocks";
export { dequantizeIQ1_M, quantizeIQ1_M, quantizeWeightedIQ1_M } from "./iq1_m";
export { dequantizeIQ1_S, quantizeWeightedIQ1_S } from "./iq1_s";
export { dequantizeIQ2_S, quantizeIQ2_S, quantizeWeightedIQ2_S } from "./iq2_s";
export { dequantizeIQ2_XS, quantizeWeightedIQ2_XS } from "./iq2_xs";
export { dequantizeIQ2_XXS, quantizeWeightedIQ2_XXS } from "./iq2_xxs";
export { dequantizeIQ3_S, quantizeIQ3_S, quantizeWeightedIQ3_S } from "./iq3_s";
export { dequantizeIQ3_XXS, quantizeIQ3_XXS, quantizeWeightedIQ3_XXS } from "./iq3_xxs";
export { dequantizeIQ4_NL, quantizeIQ4_NL, quantizeWeightedIQ4_NL } from "./iq4_nl";
export { dequantizeIQ4_XS, quantizeIQ4_XS, quantizeWeightedIQ4_XS } from "./iq4_xs";
export { dequantizeMXFP4, quantizeMXFP4 } from "./mxfp4";
export { dequantizeNVFP4, quantizeNVFP4 } from "./nvfp4";
export { nibbleRowsToQ4_0, nibbleRowsToQ5_0 } from "./packed-nibble-rows";
export { nibbleColumnsToQ4_0, nibbleColumnsToQ5_0, reflectZeros } from "./packed-nibbles";
export { dequantizeQ1_0, quantizeQ1_0 } from "./q1_0";
export { dequantizeQ2_0, quantizeQ2_0 } from "./q2_0";
export { dequantizeQ4_0, quantizeQ4_0, quantizeWeightedQ4_0 } from "./q4_0";
export { dequantizeQ4_1, quantizeQ4_1, quantizeWeightedQ4_1 } from "./q4_1";
export { dequantizeQ5_0, quantizeQ5_0, quantizeWeightedQ5_0 } from "./q5_0";
export { dequantizeQ5_1, quantizeQ5_1, quantizeWeightedQ5_1 } from "./q5_1";
export { dequantizeQ2_K, quantizeQ2_K, quantizeWeightedQ2_K } from "./q2_k";
export { dequantizeQ3_K, quantizeQ3_K, quantizeWeightedQ3_K } from "./q3_k";
export { dequantizeQ4_K, quantizeQ4_K, quantizeWeightedQ4_K } from "./q4_k";
export { dequantizeQ5_K, quantizeQ5_K, quantizeWeightedQ5_K } from "./q5_k";
export { dequantizeQ6_K, quantizeQ6_K, quantizeWeightedQ6_K } from "./q6_k";
export { dequantizeQ8_0, quantizeQ8_0 } from "./q8_0";
export { addSquares } from "./sub-block-lanes";
export { dequantizeTQ1_0, quantizeTQ1_0 } from "./tq1_0";
export { dequantizeTQ2_0, quantizeTQ2_0 } from "./tq2_0";
export { unpackQ4_K } from "./unpack-q4_k";

/** The first address after this module's constants and scratch. */
export function staticEnd(): usize {
  return __heap_base;
}
