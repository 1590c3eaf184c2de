/** The kernels of @requant/awq. The files of the same names under src/ define what each must do. */
export { packInterleaved, unpackInterleaved } from "./interleave";
export { packGemm, unpackGemm } from "./order";

/** The first address after this module's constants. */
export function staticEnd(): usize {
  return __heap_base;
}
