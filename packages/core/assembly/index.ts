/** The kernels of @requant/core. The code of the same file name under src/ defines what each must do. */
export { dequantizeBF16, quantizeBF16 } from "./bf16";
export { dequantizeE4m3 } from "./e4m3";
export { dequantizeF16, quantizeF16 } from "./f16";
export { packColumns, packRows, unpackColumns, unpackRows } from "./fields";
export { packMarlin, unpackMarlin } from "./marlin";
export { groupRanges, nearestCodes } from "./nearest-codes";
export { dequantizeNibbles } from "./nibbles";
export { searchSteps } from "./grid-search";
export { dequantizeGrid, orOfBytes, parameterFacts, roundToHalf } from "./grid";
export { dequantizeLevels } from "./levels";

/** The first address after this module's constants. */
export function staticEnd(): usize {
  return __heap_base;
}
