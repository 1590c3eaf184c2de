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

export function errorMeter(): ErrorMeter {
  let noise = 0;
  let maxAbsError = 0;
  return {
    add(expected, found) {
      const { length } = expected;
      // four sums, so that an addition need not wait for the one before
      let [sum0, sum1, sum2, sum3] = [0, 0, 0, 0];
      let [most0, most1] = [0, 0];
      let i = 0;
      for (const end = length - 3; i < end; i += 4) {
        const error0 = expected[i]! - found[i]!;
        const error1 = expected[i + 1]! - found[i + 1]!;
        const error2 = expected[i + 2]! - found[i + 2]!;
        const error3 = expected[i + 3]! - found[i + 3]!;
        sum0 += error0 * error0;
        sum1 += error1 * error1;
        sum2 += error2 * error2;
        sum3 += error3 * error3;
        most0 = Math.max(most0, Math.abs(error0), Math.abs(error2));
        most1 = Math.max(most1, Math.abs(error1), Math.abs(error3));
      }
      for (; i < length; i++) {
        const error = expected[i]! - found[i]!;
        sum0 += error * error;
        most0 = Math.max(most0, Math.abs(error));
      }
      const sum = sum0 + sum1 + (sum2 + sum3);
      const sums = Number.isNaN(sum)
        ? sumsAroundNaNs(expected, found)
        : { noise: sum, maxAbsError: Math.max(most0, most1) };
      noise += sums.noise;
      maxAbsError = Math.max(maxAbsError, sums.maxAbsError);
    },
    sums: () => ({ noise, maxAbsError }),
  };
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
