/** The SIMD twins of `error-meter.ts` and `first-non-finite.ts`. */
import { kernelAddress, TILE_BYTE_LENGTH } from "@requant/core/kernels";
import { kernels } from "../model/kernels.ts";
import * as reference from "./error-meter.ts";
import * as nonFinite from "./first-non-finite.ts";
import { inKernelMemory } from "./kernel-values.ts";

/** Values in the kernels' memory are compared by a kernel, others in TypeScript, with the same result. */
export function errorMeter(blockSize = 1): reference.ErrorMeter {
  return reference.errorMeter(blockSize, { compareValues, firstNonFinite });
}

/** Values that a tile of the kernels holds. */
const TILE_LENGTH = TILE_BYTE_LENGTH / Float32Array.BYTES_PER_ELEMENT;

/** Index of the first value that is NaN or infinite; the number of values where all are finite. */
export function firstNonFinite(values: Float32Array): number {
  const kernel = kernels.kernel("firstNonFinite");
  if (kernel === undefined) return nonFinite.firstNonFinite(values);
  const step = kernelAddress(values) === undefined ? TILE_LENGTH : values.length;
  for (let start = 0; start < values.length; start += step) {
    const some = values.subarray(start, start + step);
    const first = kernel(inKernelMemory(some, 0), some.length);
    if (first < some.length) return start + first;
  }
  return values.length;
}

function compareValues(expected: Float32Array, found: Float32Array): reference.ErrorSums {
  const [a, b] = [kernelAddress(expected), kernelAddress(found)];
  const kernel = a === undefined || b === undefined ? undefined : kernels.kernel("addSquaredErrors");
  const squaresOf = kernels.kernel("expectedSquares");
  if (a === undefined || b === undefined || kernel === undefined || squaresOf === undefined) {
    return reference.compareValues(expected, found);
  }
  const noise = kernel(a, b, expected.length);
  return { noise, maxAbsError: kernels.kernel("largestError")?.() ?? 0, signal: squaresOf() };
}
