/** The kernels that find the grid behind floats, in a module of their own: little else needs them, and they are half of the code. */
export { fitHiddenGroups } from "./hidden-step";
export { sumFits } from "./sum-fits";
export { fitE2m1Groups } from "./hidden-e2m1";
export { distinctMagnitudes, placeMarks } from "./distinct-magnitudes";

/** The first address after this module's constants. */
export function staticEnd(): usize {
  return __heap_base;
}
