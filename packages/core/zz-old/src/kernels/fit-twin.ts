/** The SIMD twins of `fitView` and `fittedView` in `view/fit.ts`: the kernel examines all codes in one pass. */
import * as reference from "../view/fit.ts";
import type { IntegerView } from "../view/integer-view.ts";
import type { StoredView } from "../view/level-view.ts";
import type { ViewRequirement } from "../view/requirement.ts";
import { coreKernels } from "./core-kernels.ts";
import { kernelAddress, kernelMemory, SCRATCH_BYTE_LENGTH, scratchOffset } from "./memory.ts";

/**
 * The same values in a layout's own terms: as integers where that is exact and fits, else with the biases that the view
 * has, where the layout stores biases.
 */
export function fitView(view: IntegerView, requirement: ViewRequirement): reference.IntegerFit;
export function fitView(view: StoredView, requirement: ViewRequirement): reference.ViewFit;
export function fitView(view: StoredView, requirement: ViewRequirement): reference.ViewFit {
  return reference.fitView(view, requirement, noCodeIsAbove);
}

/**
 * The fitted integers, for encoders whose plan has checked the fit. @throws UsageError with the reason when there is none
 */
export function fittedView(view: StoredView, requirement: ViewRequirement): IntegerView {
  return reference.fittedView(view, requirement, noCodeIsAbove);
}

function noCodeIsAbove(codes: Uint8Array, maxCode: number): boolean {
  const all = orOfBytes(codes);
  // no code is larger than all bits together
  return (all !== undefined && all <= maxCode) || reference.noCodeIsAbove(codes, maxCode);
}

/** The bitwise OR of all bytes; undefined without a kernel. */
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
