/** The kernels of @requant/convert. What each must do is written in the file of the same name under src/. */
export { checksum, checksumHigh } from "./checksum";
export {
  addDifferences,
  differenceCount,
  differencesSignal,
  firstDifference,
  largestDifference,
} from "./comparison";
export { addSquaredErrors, expectedSquares, largestError } from "./error-meter";
export { firstNonFinite } from "./first-non-finite";
export { sameBytes } from "./same-bytes";

/** The first address after this module's constants. */
export function staticEnd(): usize {
  return __heap_base;
}
