/** The kernels of @requant/awq. The file of the same name under src/ defines what each must do. */
export { packGemm, unpackGemm } from "./order";

/** The first address after this module's constants. */
export function staticEnd(): usize {
  return __heap_base;
}
