/** The kernels of @requant/bitsandbytes. The file of the same name under src/ defines what each must do. */
export { dequantizeNibbleBlocks } from "./nibble-blocks";

/** The first address after this module's constants. */
export function staticEnd(): usize {
  return __heap_base;
}
