/** The twin of `gather` for 8-bit floats in bf16: a kernel lists the different magnitudes of a block, which are few. */
import { type Gather, type Group, gather } from "../view/hidden-scale.ts";
import { kernelAddress, kernelMemory, scratchOffset, TILE_BYTE_LENGTH, tileOffset } from "./memory.ts";
import type { Kernel } from "./module.ts";

/** Where the kernel's list begins: behind the smallest and the largest float, and the count of those that are not 0. */
const LIST = 16;

/** The kernel's answer where floats are subnormal. */
const UNSURE = -2;

/** False also where the magnitudes are more than those of E4M3, or further apart. */
export function gatherInKernel(kernel: Kernel): Gather {
  return (magnitudes, group) => {
    const placed = group.length % 4 === 0 ? placeGroup(group) : undefined;
    if (placed === undefined) return gather(magnitudes, group);
    const { runs, length } = group;
    const out = scratchOffset(1);
    const count = kernel(placed.address, runs, length, 4 * placed.step, out);
    if (count === UNSURE) return gather(magnitudes, group);
    if (count < 0) return false;
    const { buffer } = kernelMemory();
    const [min = 0, max = 0] = new Float32Array(buffer, out, 2);
    const [nonzero = 0] = new Int32Array(buffer, out + 8, 1);
    magnitudes.take(new Float32Array(buffer, out + LIST, count), { min, max, nonzero });
    return true;
  };
}

/** The address of a group in the memory of the kernels, copied there where it is elsewhere and small enough. */
function placeGroup({
  values,
  start,
  length,
  runs,
  step,
}: Group): { address: number; step: number } | undefined {
  const inside = kernelAddress(values);
  if (inside !== undefined) return { address: inside + 4 * start, step };
  if (4 * length * runs > TILE_BYTE_LENGTH) return undefined;
  const address = tileOffset(0);
  const tile = new Float32Array(kernelMemory().buffer, address, length * runs);
  for (let run = 0, from = start; run < runs; run++, from += step) {
    tile.set(values.subarray(from, from + length), run * length);
  }
  return { address, step: length };
}
