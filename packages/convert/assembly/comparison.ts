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

/**
 * Twin of src/run/comparison.ts: compares `count` values and goes on with the sums of those before them. Returns the sum of the
 * squared differences; the functions below have the rest. Sums take one value after the other, as the twin's do.
 */
export function addDifferences(expected: usize, found: usize, count: i32, noise: f64, signal: f64): f64 {
  let most = f64x2.splat(0);
  let most0: f64 = 0;
  let differences: i32 = 0;
  let first: i32 = count;
  const vectors = count & ~3;
  let index: i32 = 0;
  for (; index < vectors; index += 4, expected += 16, found += 16) {
    const a = v128.load(expected);
    const b = v128.load(found);
    const low = f64x2.promote_low_f32x4(a);
    const high = f64x2.promote_low_f32x4(i32x4.shuffle(a, a, 2, 3, 2, 3));
    const lowSquares = f64x2.mul(low, low);
    const highSquares = f64x2.mul(high, high);
    signal += f64x2.extract_lane(lowSquares, 0);
    signal += f64x2.extract_lane(lowSquares, 1);
    signal += f64x2.extract_lane(highSquares, 0);
    signal += f64x2.extract_lane(highSquares, 1);
    const differ = f32x4.ne(a, b);
    if (!v128.any_true(differ)) continue;
    const lowErrors = f64x2.abs(f64x2.sub(low, f64x2.promote_low_f32x4(b)));
    const highErrors = f64x2.abs(
      f64x2.sub(high, f64x2.promote_low_f32x4(i32x4.shuffle(b, b, 2, 3, 2, 3))),
    );
    const sum = f64x2.add(lowErrors, highErrors);
    if (v128.any_true(f64x2.ne(sum, sum))) {
      // NaNs, or infinities that are equal
      for (let lane: usize = 0; lane < 16; lane += 4) {
        const size = difference(load<f32>(expected + lane), load<f32>(found + lane));
        if (size < 0) continue;
        if (first == count) first = index + <i32>(lane >> 2);
        differences++;
        noise += size * size;
        most0 = max(most0, size);
      }
      continue;
    }
    // values that are equal add 0, which changes no sum
    const lowNoise = f64x2.mul(lowErrors, lowErrors);
    const highNoise = f64x2.mul(highErrors, highErrors);
    noise += f64x2.extract_lane(lowNoise, 0);
    noise += f64x2.extract_lane(lowNoise, 1);
    noise += f64x2.extract_lane(highNoise, 0);
    noise += f64x2.extract_lane(highNoise, 1);
    most = f64x2.pmax(most, f64x2.pmax(lowErrors, highErrors));
    const lanes = i32x4.bitmask(differ);
    if (first == count) first = index + ctz(lanes);
    differences += popcnt(lanes);
  }
  for (; index < count; index++, expected += 4, found += 4) {
    const one = load<f32>(expected);
    signal += <f64>one * <f64>one;
    const size = difference(one, load<f32>(found));
    if (size < 0) continue;
    if (first == count) first = index;
    differences++;
    noise += size * size;
    most0 = max(most0, size);
  }
  sumOfSquares = signal;
  largest = max(most0, max(f64x2.extract_lane(most, 0), f64x2.extract_lane(most, 1)));
  differing = differences;
  firstOne = first;
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
