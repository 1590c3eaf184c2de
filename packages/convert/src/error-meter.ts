import { kernelAddress } from "@requant/core";
import { kernels } from "./kernels.ts";

/** What encoding did to values, in doubles. Sums of bands add up, in the order of the bands. */
export interface ErrorSums {
  /** Sum of the squared differences. */
  readonly noise: number;
  readonly maxAbsError: number;
}

export interface ErrorMeter {
  /** The next values and what they became, as many of each. */
  add(expected: Float32Array, found: Float32Array): void;
  sums(): ErrorSums;
}

/** Values in the kernels' memory are compared there, others here, with the same result. */
export function errorMeter(): ErrorMeter {
  let noise = 0;
  let maxAbsError = 0;
  return {
    add(expected, found) {
      const counted = compared(expected, found);
      const sums = Number.isNaN(counted.noise) ? sumsAroundNaNs(expected, found) : counted;
      noise += sums.noise;
      maxAbsError = Math.max(maxAbsError, sums.maxAbsError);
    },
    sums: () => ({ noise, maxAbsError }),
  };
}

function compared(expected: Float32Array, found: Float32Array): ErrorSums {
  const [a, b] = [kernelAddress(expected), kernelAddress(found)];
  const kernel = a === undefined || b === undefined ? undefined : kernels.kernel("addSquaredErrors");
  if (a === undefined || b === undefined || kernel === undefined) return comparedHere(expected, found);
  const noise = kernel(a, b, expected.length);
  return { noise, maxAbsError: kernels.kernel("largestError")?.() ?? 0 };
}

/** Differences are rounded to f32, their squares added in eight sums, one for each place in a group of eight values. */
export function comparedHere(expected: Float32Array, found: Float32Array): ErrorSums {
  const { length } = expected;
  const end = length - (length % 8);
  const sums = new Float64Array(8);
  let most = 0;
  for (let i = 0; i < end; i++) {
    const error = Math.fround(expected[i]! - found[i]!);
    sums[i % 8]! += error * error;
    most = Math.max(most, Math.abs(error));
  }
  let rest = 0;
  for (let i = end; i < length; i++) {
    const error = Math.fround(expected[i]! - found[i]!);
    rest += error * error;
    most = Math.max(most, Math.abs(error));
  }
  const pair = (lane: number): number => sums[lane]! + sums[lane + 2]! + (sums[lane + 4]! + sums[lane + 6]!);
  return { noise: pair(0) + pair(1) + rest, maxAbsError: most };
}

/** Where NaNs and infinities are among the values: the same on both sides is no error, on one side the largest there is. */
function sumsAroundNaNs(expected: Float32Array, found: Float32Array): ErrorSums {
  let noise = 0;
  let maxAbsError = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [expected[i]!, found[i]!];
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    const error = Math.abs(a - b);
    const size = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
    noise += size * size;
    maxAbsError = Math.max(maxAbsError, size);
  }
  return { noise, maxAbsError };
}
