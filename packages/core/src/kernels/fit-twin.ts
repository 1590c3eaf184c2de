/** The SIMD twins of `fitGrid` and `fittedGrid` in `view/fit.ts`: they look at every code at once. */
import * as reference from "../view/fit.ts";
import type { Grid } from "../view/grid.ts";
import { coreKernels } from "./core-kernels.ts";
import { kernelAddress, kernelMemory, SCRATCH_BYTE_LENGTH, scratchOffset } from "./memory.ts";

/**
 * The same values in a layout's own terms: its groups, its zero points, codes in its range. Looks at every code, so it
 * may fit a grid whose facts alone promise nothing. Groups are split freely, and merged where their scales are equal.
 */
export function fitGrid(grid: Grid, requirement: reference.GridRequirement): reference.GridFit {
  return reference.fitGrid(grid, requirement, noCodeIsAbove);
}

/** The fitted grid, for encoders that were promised a fit. @throws UsageError with the reason when there is none */
export function fittedGrid(grid: Grid, requirement: reference.GridRequirement): Grid {
  return reference.fittedGrid(grid, requirement, noCodeIsAbove);
}

function noCodeIsAbove(codes: Uint8Array, maxCode: number): boolean {
  const all = orOfBytes(codes);
  // no code is larger than all bits together
  return (all !== undefined && all <= maxCode) || reference.noCodeIsAbove(codes, maxCode);
}

/** All bits that occur in any of the bytes, together; undefined without a kernel. */
function orOfBytes(bytes: Uint8Array): number | undefined {
  const kernel = coreKernels.kernel("orOfBytes");
  if (kernel === undefined) return undefined;
  const address = kernelAddress(bytes);
  if (address !== undefined) return kernel(address, bytes.length);
  let all = 0;
  for (let start = 0; start < bytes.length; start += SCRATCH_BYTE_LENGTH) {
    const part = bytes.subarray(start, start + SCRATCH_BYTE_LENGTH);
    new Uint8Array(kernelMemory().buffer, scratchOffset(0), part.length).set(part);
    all |= kernel(scratchOffset(0), part.length);
  }
  return all;
}
