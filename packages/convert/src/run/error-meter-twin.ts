/** The SIMD twin of `error-meter.ts`. */
import { kernelAddress } from "@requant/core/kernels";
import { kernels } from "../model/kernels.ts";
import * as reference from "./error-meter.ts";

/** Values in the kernels' memory are compared by a kernel, others in TypeScript, with the same result. */
export function errorMeter(): reference.ErrorMeter {
  return reference.errorMeter(compareValues);
}

function compareValues(expected: Float32Array, found: Float32Array): reference.ErrorSums {
  const [a, b] = [kernelAddress(expected), kernelAddress(found)];
  const kernel = a === undefined || b === undefined ? undefined : kernels.kernel("addSquaredErrors");
  if (a === undefined || b === undefined || kernel === undefined) {
    return reference.compareValues(expected, found);
  }
  const noise = kernel(a, b, expected.length);
  return { noise, maxAbsError: kernels.kernel("largestError")?.() ?? 0 };
}
