import { findNonFinite, joinedNonFinite, movedNonFinite, type NonFinite } from "../plan/non-finite.ts";
import { firstNonFinite } from "./first-non-finite.ts";
import { addedErrors, type OutputErrorSums } from "./output-error.ts";

/** What encoding did to values, in doubles. Sums of bands add up, in the order of the bands. */
export interface ErrorSums {
  /** Sum of the squared differences. */
  readonly noise: number;
  readonly maxAbsError: number;
  /** Sum of the squares of the values before they were encoded. */
  readonly signal: number;
}

/** The error, and the weights that are not finite. */
export interface Measured extends ErrorSums {
  /** Of weights that were solved. */
  readonly output?: OutputErrorSums | undefined;
  readonly nonFinite?: NonFinite | undefined;
}

export interface ErrorMeter {
  /** The next values, and the same number of values after encoding. */
  add(expected: Float32Array, found: Float32Array): void;
  /** Values from the flat index `start` on that keep their value: only whether they are finite matters. */
  look(values: Float32Array, start: number): void;
  /** What solving changed in the output of the layer. */
  addOutput(errors: OutputErrorSums | undefined): void;
  sums(): Measured;
}

/** Adds up the differences of two arrays of equal length. */
export type CompareValues = (expected: Float32Array, found: Float32Array) => ErrorSums;

/** What a meter does to every value. The SIMD twin passes kernels that do the same. */
export interface ErrorArithmetic {
  readonly compareValues: CompareValues;
  /** Index of the first value that is NaN or infinite; the number of values where all are finite. */
  readonly firstNonFinite: (values: Float32Array) => number;
}

const arithmetic: ErrorArithmetic = { compareValues, firstNonFinite };

/** `blockSize`: weights of the output that share scales. */
export function errorMeter(
  blockSize = 1,
  { compareValues, firstNonFinite }: ErrorArithmetic = arithmetic,
): ErrorMeter {
  let noise = 0;
  let maxAbsError = 0;
  let signal = 0;
  let position = 0;
  let nonFinite: NonFinite | undefined;
  let output: OutputErrorSums | undefined;

  function note(values: Float32Array, stored: Float32Array, start: number): void {
    const found = findNonFinite(values, stored, blockSize);
    if (found !== undefined) nonFinite = joinedNonFinite(nonFinite, movedNonFinite(found, start));
  }

  return {
    add(expected, found) {
      const counted = compareValues(expected, found);
      const ordinary = isOrdinary(counted);
      const sums = ordinary ? counted : compareInDoubles(expected, found);
      noise += sums.noise;
      signal += sums.signal;
      maxAbsError = Math.max(maxAbsError, sums.maxAbsError);
      // one NaN or infinity, on either side, makes the sum of squares NaN or infinite
      if (!ordinary) note(expected, found, position);
      position += expected.length;
    },
    look(values, start) {
      const first = firstNonFinite(values);
      if (first === values.length) return;
      const rest = values.subarray(first);
      note(rest, rest, start + first);
    },
    addOutput(errors) {
      output = addedErrors(output, errors);
    },
    sums: () => ({
      noise,
      maxAbsError,
      signal,
      ...(output === undefined ? {} : { output }),
      ...(nonFinite === undefined ? {} : { nonFinite }),
    }),
  };
}

/** Where f32 holds the squares and their sums, but for what is too small to count beside the largest. */
function isOrdinary({ noise, maxAbsError, signal }: ErrorSums): boolean {
  if (!Number.isFinite(signal)) return false;
  if (noise === 0) return maxAbsError === 0;
  return noise > 0 && signal > 2 ** -80 && maxAbsError > 2 ** -40 && maxAbsError < 2 ** 55;
}

/** Values of which each place of eight has its squares added in f32, before the sums go on in doubles. */
const RUN = 128;

/** Differences, their squares and short sums of those are rounded to f32: 16 squares, and that of two places of eight. */
export function compareValues(expected: Float32Array, found: Float32Array): ErrorSums {
  const { length } = expected;
  const end = length - (length % 8);
  const squares = new Float32Array(8);
  const sums = new Float64Array(4);
  const signals = new Float32Array(8);
  const signalSums = new Float64Array(4);
  let most = 0;
  for (let start = 0; start < end; start += RUN) {
    squares.fill(0);
    signals.fill(0);
    const runEnd = Math.min(start + RUN, end);
    for (let i = start; i < runEnd; i++) {
      const error = Math.fround(expected[i]! - found[i]!);
      squares[i % 8]! += Math.fround(error * error);
      signals[i % 8]! += Math.fround(expected[i]! * expected[i]!);
      most = Math.max(most, Math.abs(error));
    }
    for (let lane = 0; lane < 4; lane++) {
      sums[lane]! += Math.fround(squares[lane]! + squares[lane + 4]!);
      signalSums[lane]! += Math.fround(signals[lane]! + signals[lane + 4]!);
    }
  }
  let rest = 0;
  let signalRest = 0;
  for (let i = end; i < length; i++) {
    const error = Math.fround(expected[i]! - found[i]!);
    rest += Math.fround(error * error);
    signalRest += Math.fround(expected[i]! * expected[i]!);
    most = Math.max(most, Math.abs(error));
  }
  return {
    noise: sums[0]! + sums[2]! + (sums[1]! + sums[3]!) + rest,
    maxAbsError: most,
    signal: signalSums[0]! + signalSums[2]! + (signalSums[1]! + signalSums[3]!) + signalRest,
  };
}

/**
 * For very small or very large differences, and where NaNs and infinities are among the values: the same on both sides is no
 * error, on one side the largest there is.
 */
function compareInDoubles(expected: Float32Array, found: Float32Array): ErrorSums {
  let noise = 0;
  let maxAbsError = 0;
  let signal = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [expected[i]!, found[i]!];
    if (Number.isFinite(a)) signal += a * a;
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    const error = Math.abs(a - b);
    const size = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
    noise += size * size;
    maxAbsError = Math.max(maxAbsError, size);
  }
  return { noise, maxAbsError, signal };
}
