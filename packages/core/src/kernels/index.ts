/**
 * What the SIMD kernels of a format package need: loading, memory, tiles.
 * @module
 */
export { type BlockTwinOptions, blockTwin } from "./block-twin.ts";
export { allocateKernelBuffer, type KernelBuffer } from "./buffer.ts";
export { descriptor } from "./descriptor.ts";
export { kernelAddress, kernelMemory, SCRATCH_BYTE_LENGTH, TILE_BYTE_LENGTH, tileOffset } from "./memory.ts";
export { type Kernel, type KernelModule, type KernelTable, kernelModule } from "./module.ts";
export { type Lines, type Rectangle, rectangle } from "./rectangle.ts";
export { installKernels, kernelsAreInstalled, uninstallKernels } from "./switch.ts";
export {
  LIST_LENGTH,
  type PlacedParameters,
  placeList,
  placeParameters,
  type TiledWeight,
  type TileShape,
  tileCodes,
  tileShape,
} from "./tiles.ts";
