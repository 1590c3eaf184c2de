/** The kernels of @requant/awq. What each must do is written in the file of the same name under src/. */
export { packGemm, unpackGemm } from "./order";

/** The first address after this module's constants. */
export function staticEnd(): usize {
  return __heap_base;
}
