/** The kernels of @requant/core. What each must do is written in the codec of the same file name under src/. */
export { dequantizeBF16, quantizeBF16 } from "./bf16";
export { dequantizeF16, quantizeF16 } from "./f16";
export { packColumns, packRows, unpackColumns, unpackRows } from "./fields";
export { dequantizeGrid, orOfBytes, parameterFacts, roundToHalf } from "./grid";

/** The first address after this module's constants. */
export function staticEnd(): usize {
  return __heap_base;
}
