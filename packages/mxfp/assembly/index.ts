/** The kernels of @requant/mxfp. The file of the same name under src/ defines what each must do. */
export { dequantizePairs16, dequantizePairs32 } from "./pairs";

/** The first address after this module's constants. */
export function staticEnd(): usize {
  return __heap_base;
}
