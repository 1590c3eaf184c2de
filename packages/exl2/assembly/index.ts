/** The kernels of @requant/exl2. The code of the same file name under src/ defines what each must do. */
export { roundCodes } from "./choose-codes";
export { bestShares } from "./search-scales";

/** The first address after this module's constants. */
export function staticEnd(): usize {
  return __heap_base;
}
