import { kernelAddress, kernelMemory, tileOffset } from "@requant/core/kernels";

/**
 * The address of values in the memory of the kernels: their own, or that of a tile that they are copied into, which holds 131,072.
 * Valid until anything else uses the tile.
 */
export function inKernelMemory(values: Float32Array, tile: 0 | 1): number {
  const own = kernelAddress(values);
  if (own !== undefined) return own;
  const place = tileOffset(tile);
  new Float32Array(kernelMemory().buffer, place, values.length).set(values);
  return place;
}
