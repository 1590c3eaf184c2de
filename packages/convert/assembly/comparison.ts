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

/** Two values that follow each other, as doubles: converted as they are loaded, which needs no shuffle. */
// @ts-ignore: decorator
@inline
function doubles(at: usize, offset: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(at + offset));
}

/** The sums of eight lanes of doubles. */
// @ts-ignore: decorator
@inline
function sumOf(first: v128, second: v128, third: v128, fourth: v128): f64 {
  const sums = f64x2.add(f64x2.add(first, third), f64x2.add(second, fourth));
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
}

// @ts-ignore: decorator
@inline
function square(v: v128): v128 {
  return f64x2.mul(v, v);
}

/**
 * Twin of src/run/comparison.ts: compares `count` values and goes on with the sums of those before them. Returns the sum of the
 * squared differences; the functions below have the rest. Each of eight lanes has sums of its own, as the twin's do.
 */
export function addDifferences(expected: usize, found: usize, count: i32, noise: f64, signal: f64): f64 {
  const start = expected;
  const end = expected + ((<usize>(count & ~7)) << 2);
  let signal0 = f64x2.splat(0);
  let signal1 = signal0;
  let signal2 = signal0;
  let signal3 = signal0;
  largest = 0;
  differing = 0;
  firstOne = count;
  // equal values have no errors, so most of two models that are the same takes this loop
  for (; expected < end; expected += 32, found += 32) {
    const a = v128.load(expected);
    const b = v128.load(expected, 16);
    const differ = v128.or(f32x4.ne(a, v128.load(found)), f32x4.ne(b, v128.load(found, 16)));
    if (v128.any_true(differ)) break;
    signal0 = f64x2.add(signal0, square(doubles(expected, 0)));
    signal1 = f64x2.add(signal1, square(doubles(expected, 8)));
    signal2 = f64x2.add(signal2, square(doubles(expected, 16)));
    signal3 = f64x2.add(signal3, square(doubles(expected, 24)));
  }
  if (expected < end) {
    const index = <i32>((expected - start) >> 2);
    let noise0 = f64x2.splat(0);
    let noise1 = noise0;
    let noise2 = noise0;
    let noise3 = noise0;
    let most = noise0;
    let differences = noise0;
    const from = expected;
    const other = found;
    for (; expected < end; expected += 32, found += 32) {
      const a0 = doubles(expected, 0);
      const a1 = doubles(expected, 8);
      const a2 = doubles(expected, 16);
      const a3 = doubles(expected, 24);
      signal0 = f64x2.add(signal0, square(a0));
      signal1 = f64x2.add(signal1, square(a1));
      signal2 = f64x2.add(signal2, square(a2));
      signal3 = f64x2.add(signal3, square(a3));
      const square0 = square(f64x2.sub(a0, doubles(found, 0)));
      const square1 = square(f64x2.sub(a1, doubles(found, 8)));
      const square2 = square(f64x2.sub(a2, doubles(found, 16)));
      const square3 = square(f64x2.sub(a3, doubles(found, 24)));
      noise0 = f64x2.add(noise0, square0);
      noise1 = f64x2.add(noise1, square1);
      noise2 = f64x2.add(noise2, square2);
      noise3 = f64x2.add(noise3, square3);
      most = f64x2.pmax(most, f64x2.pmax(f64x2.pmax(square0, square1), f64x2.pmax(square2, square3)));
      const low = f32x4.ne(v128.load(expected), v128.load(found));
      const high = f32x4.ne(v128.load(expected, 16), v128.load(found, 16));
      differences = i32x4.sub(differences, i32x4.add(low, high));
    }
    let sum = sumOf(noise0, noise1, noise2, noise3);
    if (sum != sum) sum = oddDifferences(from, other, index, <i32>((end - from) >> 2));
    else {
      // the root of a rounded square is the number itself, unless the square is too small or too large for a double, which the
      // squares of differences of f32 values are not
      largest = sqrt(max(f64x2.extract_lane(most, 0), f64x2.extract_lane(most, 1)));
      differing =
        i32x4.extract_lane(differences, 0) +
        i32x4.extract_lane(differences, 1) +
        i32x4.extract_lane(differences, 2) +
        i32x4.extract_lane(differences, 3);
      const low = i32x4.bitmask(f32x4.ne(v128.load(from), v128.load(other)));
      const high = i32x4.bitmask(f32x4.ne(v128.load(from, 16), v128.load(other, 16)));
      firstOne = index + ctz(low | (high << 4));
    }
    noise += sum;
  }
  signal += sumOf(signal0, signal1, signal2, signal3);
  for (let index = count & ~7; index < count; index++, expected += 4, found += 4) {
    const one = load<f32>(expected);
    signal += <f64>one * <f64>one;
    noise += noteDifference(one, load<f32>(found), index);
  }
  sumOfSquares = signal;
  return noise;
}

/** Value by value, where there are NaNs, or infinities that are equal. */
function oddDifferences(expected: usize, found: usize, index: i32, count: i32): f64 {
  let noise0 = f64x2.splat(0);
  let noise1 = noise0;
  let noise2 = noise0;
  let noise3 = noise0;
  for (const end = index + count; index < end; index += 8, expected += 32, found += 32) {
    noise0 = f64x2.add(noise0, noteDifferences(expected, found, index));
    noise1 = f64x2.add(noise1, noteDifferences(expected + 8, found + 8, index + 2));
    noise2 = f64x2.add(noise2, noteDifferences(expected + 16, found + 16, index + 4));
    noise3 = f64x2.add(noise3, noteDifferences(expected + 24, found + 24, index + 6));
  }
  return sumOf(noise0, noise1, noise2, noise3);
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
