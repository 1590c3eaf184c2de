/** The SIMD twin of `comparison.ts`. */
import { kernelAddress } from "@requant/core/kernels";
import { kernels } from "../model/kernels.ts";
import * as reference from "./comparison.ts";

/**
 * A comparison that starts empty. Values in the kernels' memory are compared by a kernel, others in TypeScript, with the same
 * result.
 * @example
 * import { comparer } from "@requant/convert";
 *
 * const comparison = comparer();
 * comparison.add(Float32Array.of(1, 2), Float32Array.of(1, 2.5));
 * const { rmse } = comparison.result();
 */
export function comparer(): reference.Comparer {
  return reference.comparer(findDifferences);
}

const findDifferences: reference.FindDifferences = (expected, found, before) => {
  const [a, b] = [kernelAddress(expected), kernelAddress(found)];
  const kernel = a === undefined || b === undefined ? undefined : kernels.kernel("addDifferences");
  if (a === undefined || b === undefined || kernel === undefined) {
    return reference.findDifferences(expected, found, before);
  }
  const noise = kernel(a, b, expected.length, before.noise, before.signal);
  const of = (name: string): number => kernels.kernel(name)?.() ?? 0;
  return {
    noise,
    signal: of("differencesSignal"),
    maxAbsError: of("largestDifference"),
    differences: of("differenceCount"),
    first: of("firstDifference"),
  };
};
