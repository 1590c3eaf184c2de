/** The SIMD twin of `comparison.ts`. */
import { kernels } from "../model/kernels.ts";
import * as reference from "./comparison.ts";
import { inKernelMemory } from "./kernel-values.ts";

/**
 * A comparison that starts empty. A kernel compares the values; those that lie outside the kernels' memory are copied there, some
 * at a time.
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
  const kernel = kernels.kernel("addDifferences");
  if (kernel === undefined) return reference.findDifferences(expected, found, before);
  const [a, b] = [inKernelMemory(expected, 0), inKernelMemory(found, 1)];
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
