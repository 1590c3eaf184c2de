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

/** Sums in doubles, each value added after the one before it. */
export interface DifferenceSums {
  /** Of the squared differences. */
  readonly noise: number;
  /** Of the squares of the expected values. */
  readonly signal: number;
}

/** What some values add to a comparison. */
export interface Differences extends DifferenceSums {
  readonly maxAbsError: number;
  readonly differences: number;
  /** Index of the first value that differs; the number of values where all are equal. */
  readonly first: number;
}

/** Compares values that follow those whose sums are `before`, and goes on with these sums. */
export type FindDifferences = (
  expected: Float32Array,
  found: Float32Array,
  before: DifferenceSums,
) => Differences;

/** A comparison that starts empty. The SIMD twin passes a kernel that finds the same. */
export function comparer(find: FindDifferences = findDifferences): Comparer {
  let count = 0;
  let differences = 0;
  let firstDifference: number | undefined;
  let maxAbsError = 0;
  let sums: DifferenceSums = { noise: 0, signal: 0 };
  return {
    add(expected, found) {
      const own = find(expected, found, sums);
      sums = own;
      if (own.differences > 0) {
        firstDifference ??= count + own.first;
        differences += own.differences;
        maxAbsError = Math.max(maxAbsError, own.maxAbsError);
      }
      count += expected.length;
    },
    result() {
      const { noise, signal } = sums;
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

/** See `FindDifferences`. */
export function findDifferences(
  expected: Float32Array,
  found: Float32Array,
  before: DifferenceSums,
): Differences {
  const { length } = expected;
  let { noise, signal } = before;
  let maxAbsError = 0;
  let differences = 0;
  let first = length;
  for (let i = 0; i < length; i++) {
    const a = expected[i]!;
    const b = found[i]!;
    signal += a * a;
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    if (differences === 0) first = i;
    differences += 1;
    const error = Math.abs(a - b);
    // a NaN on one side only is the largest difference there is
    const size = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
    noise += size * size;
    if (size > maxAbsError) maxAbsError = size;
  }
  return { noise, signal, maxAbsError, differences, first };
}
