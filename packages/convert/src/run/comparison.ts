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

/** Sums in doubles. */
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

/** Compares at most `STEP` values that follow those whose sums are `before`, and goes on with these sums. */
export type FindDifferences = (
  expected: Float32Array,
  found: Float32Array,
  before: DifferenceSums,
) => Differences;

/** Values that are compared at a time: both arrays fit the tiles of the kernels. */
export const STEP: number = 32_768;

/** A comparison that starts empty. The SIMD twin passes a kernel that finds the same. */
export function comparer(find: FindDifferences = findDifferences): Comparer {
  let count = 0;
  let differences = 0;
  let firstDifference: number | undefined;
  let maxAbsError = 0;
  let sums: DifferenceSums = { noise: 0, signal: 0 };
  return {
    add(expected, found) {
      for (let start = 0; start < expected.length; start += STEP) {
        const own = find(expected.subarray(start, start + STEP), found.subarray(start, start + STEP), sums);
        sums = own;
        if (own.differences > 0) {
          firstDifference ??= count + start + own.first;
          differences += own.differences;
          maxAbsError = Math.max(maxAbsError, own.maxAbsError);
        }
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

/** Places that have sums of their own. */
const LANES = 8;

/**
 * See `FindDifferences`. Each place of eight has sums of its own, which are added to those before at the end, and then the values
 * that are left.
 */
export function findDifferences(
  expected: Float32Array,
  found: Float32Array,
  before: DifferenceSums,
): Differences {
  const { length } = expected;
  const end = length - (length % LANES);
  const noises = new Float64Array(LANES);
  const signals = new Float64Array(LANES);
  let maxAbsError = 0;
  let differences = 0;
  let first = length;

  /** The square of the difference; 0 where both are the same number, or NaN. */
  function squareAt(i: number): number {
    const a = expected[i]!;
    const b = found[i]!;
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return 0;
    if (differences === 0) first = i;
    differences += 1;
    const error = Math.abs(a - b);
    // a NaN on one side only is the largest difference there is
    const size = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
    if (size > maxAbsError) maxAbsError = size;
    return size * size;
  }

  for (let i = 0; i < end; i++) {
    signals[i % LANES]! += expected[i]! * expected[i]!;
    noises[i % LANES]! += squareAt(i);
  }
  let signal = before.signal + totalOf(signals);
  let noise = before.noise + totalOf(noises);
  for (let i = end; i < length; i++) {
    signal += expected[i]! * expected[i]!;
    noise += squareAt(i);
  }
  return { noise, signal, maxAbsError, differences, first };
}

function totalOf(lanes: Float64Array): number {
  const pair = (i: number): number => lanes[i]! + lanes[i + 4]!;
  return pair(0) + pair(2) + (pair(1) + pair(3));
}
