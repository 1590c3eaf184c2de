/** The SIMD twins of `error-meter.ts` and `first-non-finite.ts`. */
import { kernelAddress } from "@requant/core/kernels";
import { kernels } from "../model/kernels.ts";
import * as reference from "./error-meter.ts";
import * as nonFinite from "./first-non-finite.ts";

/** Values in the kernels' memory are compared by a kernel, others in TypeScript, with the same result. */
export function errorMeter(blockSize = 1): reference.ErrorMeter {
  return reference.errorMeter(blockSize, { compareValues, firstNonFinite });
}

/** Index of the first value that is NaN or infinite; the number of values where all are finite. */
export function firstNonFinite(values: Float32Array): number {
  const address = kernelAddress(values);
  const kernel = address === undefined ? undefined : kernels.kernel("firstNonFinite");
  if (address === undefined || kernel === undefined) return nonFinite.firstNonFinite(values);
  return kernel(address, values.length);
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
