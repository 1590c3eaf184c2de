/** The kernels of @requant/core/solve, which have a memory of their own. The code under src/ defines what each must do. */
export { factorLower, invertLower } from "./factor";
export { productsBehind } from "./products";
export { feedbackColumns, gradientOfColumns, stepScales, sweepColumns } from "./solve";

/** The first address after this module's constants. */
export function staticEnd(): usize {
  return __heap_base;
}
