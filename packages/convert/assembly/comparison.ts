let sumOfSquares: f64 = 0;
let largest: f64 = 0;
let differing: i32 = 0;
let firstOne: i32 = 0;

/** The difference without its sign, infinite where one side alone is NaN; −1 where both are the same number, or NaN. */
// @ts-ignore: decorator
@inline
function difference(one: f32, other: f32): f64 {
  if (one == other || (one != one && other != other)) return -1;
  const error = abs(<f64>one - <f64>other);
  return error != error ? <f64>Infinity : error;
}

/** The square of `difference`, 0 where there is none; adds to the differences and the largest one. */
// @ts-ignore: decorator
@inline
function noteDifference(one: f32, other: f32, index: i32): f64 {
  const size = difference(one, other);
  if (size < 0) return 0;
  if (differing == 0) firstOne = index;
  differing++;
  largest = max(largest, size);
  return size * size;
}

/** Of two lanes, one after the other. */
// @ts-ignore: decorator
@inline
function noteDifferences(expected: usize, found: usize, index: i32): v128 {
  const square = noteDifference(load<f32>(expected), load<f32>(found), index);
  const next = noteDifference(load<f32>(expected, 4), load<f32>(found, 4), index + 1);
  return f64x2.replace_lane(f64x2.splat(square), 1, next);
}

// @ts-ignore: decorator
@inline
function sumOf(low: v128, high: v128): f64 {
  const sums = f64x2.add(low, high);
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
}

/**
 * Twin of src/run/comparison.ts: compares `count` values and goes on with the sums of those before them. Returns the sum of the
 * squared differences; the functions below have the rest. Each of four lanes has sums of its own, as the twin's do.
 */
export function addDifferences(expected: usize, found: usize, count: i32, noise: f64, signal: f64): f64 {
  let most = f64x2.splat(0);
  let lowSignal = most;
  let highSignal = most;
  let lowNoise = most;
  let highNoise = most;
  largest = 0;
  differing = 0;
  firstOne = count;
  const vectors = count & ~3;
  let index: i32 = 0;
  for (; index < vectors; index += 4, expected += 16, found += 16) {
    const a = v128.load(expected);
    const b = v128.load(found);
    const low = f64x2.promote_low_f32x4(a);
    const high = f64x2.promote_low_f32x4(i32x4.shuffle(a, a, 2, 3, 2, 3));
    lowSignal = f64x2.add(lowSignal, f64x2.mul(low, low));
    highSignal = f64x2.add(highSignal, f64x2.mul(high, high));
    const differ = f32x4.ne(a, b);
    if (!v128.any_true(differ)) continue;
    const lowErrors = f64x2.abs(f64x2.sub(low, f64x2.promote_low_f32x4(b)));
    const highErrors = f64x2.abs(
      f64x2.sub(high, f64x2.promote_low_f32x4(i32x4.shuffle(b, b, 2, 3, 2, 3))),
    );
    const sum = f64x2.add(lowErrors, highErrors);
    if (v128.any_true(f64x2.ne(sum, sum))) {
      // NaNs, or infinities that are equal
      lowNoise = f64x2.add(lowNoise, noteDifferences(expected, found, index));
      highNoise = f64x2.add(highNoise, noteDifferences(expected + 8, found + 8, index + 2));
      continue;
    }
    // values that are equal add 0, which changes no sum
    lowNoise = f64x2.add(lowNoise, f64x2.mul(lowErrors, lowErrors));
    highNoise = f64x2.add(highNoise, f64x2.mul(highErrors, highErrors));
    most = f64x2.pmax(most, f64x2.pmax(lowErrors, highErrors));
    const lanes = i32x4.bitmask(differ);
    if (differing == 0) firstOne = index + ctz(lanes);
    differing += popcnt(lanes);
  }
  noise += sumOf(lowNoise, highNoise);
  signal += sumOf(lowSignal, highSignal);
  for (; index < count; index++, expected += 4, found += 4) {
    const one = load<f32>(expected);
    signal += <f64>one * <f64>one;
    noise += noteDifference(one, load<f32>(found), index);
  }
  sumOfSquares = signal;
  largest = max(largest, max(f64x2.extract_lane(most, 0), f64x2.extract_lane(most, 1)));
  return noise;
}

/** The sum of the squares of the expected values. */
export function differencesSignal(): f64 {
  return sumOfSquares;
}

export function largestDifference(): f64 {
  return largest;
}

export function differenceCount(): i32 {
  return differing;
}

/** Index of the first value that differs; the number of values where all are equal. */
export function firstDifference(): i32 {
  return firstOne;
}
