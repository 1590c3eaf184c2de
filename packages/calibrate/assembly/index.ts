/** The kernels of @requant/calibrate. They work on a memory of their own, which threads share. */
export { activation } from "./activation";
export { attention } from "./attention";
export { moments, product, scratchByteLength } from "./tiles";

/** The first address after this module's constants. */
export function staticEnd(): usize {
  return __heap_base;
}
