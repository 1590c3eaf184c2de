/** Differences between two streams of f32 values, gathered band by band in doubles. */
export interface Comparison {
  /** Values seen. */
  readonly count: number;
  /** Every pair is the same number; NaN equals NaN, and -0 equals 0. */
  readonly equal: boolean;
  /** Index of the first pair that differs. */
  readonly firstDifference: number | undefined;
  readonly differences: number;
  readonly maxAbsError: number;
  readonly rmse: number;
  /** RMSE over the root mean square of the first stream; 0 when equal, Infinity when only the first is all zero. */
  readonly relativeRmse: number;
  /** Signal to quantization noise in dB; Infinity when equal. */
  readonly sqnr: number;
  /** No value of the first stream is NaN or infinite. */
  readonly finite: boolean;
}

/** Compares two streams of values. */
export interface Comparer {
  /** The next values of both streams, as many of each. */
  add(expected: Float32Array, found: Float32Array): void;
  /** The errors over all values that were added so far. */
  result(): Comparison;
}

/** A comparison that starts empty. */
export function comparer(): Comparer {
  let count = 0;
  let differences = 0;
  let firstDifference: number | undefined;
  let maxAbsError = 0;
  let noise = 0;
  let signal = 0;
  return {
    add(expected, found) {
      for (let i = 0; i < expected.length; i++) {
        const a = expected[i]!;
        const b = found[i]!;
        signal += a * a;
        if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
        firstDifference ??= count + i;
        differences += 1;
        const error = Math.abs(a - b);
        // a NaN on one side only is the largest difference there is
        const size = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
        noise += size * size;
        if (size > maxAbsError) maxAbsError = size;
      }
      count += expected.length;
    },
    result() {
      const equal = differences === 0;
      const ratio = noise / signal;
      return {
        count,
        equal,
        firstDifference,
        differences,
        maxAbsError,
        rmse: count === 0 ? 0 : Math.sqrt(noise / count),
        relativeRmse: equal ? 0 : Math.sqrt(ratio),
        sqnr: equal ? Number.POSITIVE_INFINITY : -10 * Math.log10(ratio),
        // squares of f32 values do not overflow a double
        finite: Number.isFinite(signal),
      };
    },
  };
}
