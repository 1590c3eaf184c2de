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

/** All bits of a double but the sign: loaded, because V8 rebuilds a constant at every use. */
const magnitudes = memory.data<u64>([0x7fffffffffffffff, 0x7fffffffffffffff]);

// @ts-ignore: decorator
@inline
function highLanes(v: v128): v128 {
  return f64x2.promote_low_f32x4(i32x4.shuffle(v, v, 2, 3, 2, 3));
}

/** The first vector of four in which a value differs, or the end. */
function firstUnequal(expected: usize, found: usize, end: usize): usize {
  while (expected < end && !v128.any_true(f32x4.ne(v128.load(expected), v128.load(found)))) {
    expected += 16;
    found += 16;
  }
  return expected;
}

/** The sum of the squares. */
function squares(values: usize, end: usize): f64 {
  let low = f64x2.splat(0);
  let high = low;
  for (; values < end; values += 16) {
    const four = v128.load(values);
    const one = f64x2.promote_low_f32x4(four);
    const other = highLanes(four);
    low = f64x2.add(low, f64x2.mul(one, one));
    high = f64x2.add(high, f64x2.mul(other, other));
  }
  return sumOf(low, high);
}

/**
 * The sum of the squared differences, NaN where a difference is, and that of the expected values' squares. Values that are equal add
 * 0, which changes no sum.
 */
function squaredDifferences(expected: usize, found: usize, end: usize): f64 {
  const magnitude = v128.load(magnitudes);
  let low = f64x2.splat(0);
  let high = low;
  let lowSignal = low;
  let highSignal = low;
  let most = low;
  let count = low;
  for (; expected < end; expected += 16, found += 16) {
    const a = v128.load(expected);
    const b = v128.load(found);
    const lowA = f64x2.promote_low_f32x4(a);
    const highA = highLanes(a);
    lowSignal = f64x2.add(lowSignal, f64x2.mul(lowA, lowA));
    highSignal = f64x2.add(highSignal, f64x2.mul(highA, highA));
    const one = f64x2.sub(lowA, f64x2.promote_low_f32x4(b));
    const other = f64x2.sub(highA, highLanes(b));
    low = f64x2.add(low, f64x2.mul(one, one));
    high = f64x2.add(high, f64x2.mul(other, other));
    most = f64x2.pmax(most, f64x2.pmax(v128.and(one, magnitude), v128.and(other, magnitude)));
    count = i32x4.sub(count, f32x4.ne(a, b));
  }
  differing =
    i32x4.extract_lane(count, 0) +
    i32x4.extract_lane(count, 1) +
    i32x4.extract_lane(count, 2) +
    i32x4.extract_lane(count, 3);
  largest = max(f64x2.extract_lane(most, 0), f64x2.extract_lane(most, 1));
  sumOfSquares = sumOf(lowSignal, highSignal);
  return sumOf(low, high);
}

/** The same value by value, where there are NaNs, or infinities that are equal. */
function oddDifferences(expected: usize, found: usize, count: i32): f64 {
  let low = f64x2.splat(0);
  let high = low;
  largest = 0;
  differing = 0;
  for (let index: i32 = 0; index < count; index += 4, expected += 16, found += 16) {
    low = f64x2.add(low, noteDifferences(expected, found, index));
    high = f64x2.add(high, noteDifferences(expected + 8, found + 8, index + 2));
  }
  return sumOf(low, high);
}

/**
 * Twin of src/run/comparison.ts: compares `count` values and goes on with the sums of those before them. Returns the sum of the
 * squared differences; the functions below have the rest. Each of four lanes has sums of its own, as the twin's do.
 */
export function addDifferences(expected: usize, found: usize, count: i32, noise: f64, signal: f64): f64 {
  largest = 0;
  differing = 0;
  firstOne = count;
  const vectors = count & ~3;
  const end = expected + ((<usize>vectors) << 2);
  const unequal = firstUnequal(expected, found, end);
  if (unequal === end) signal += squares(expected, end);
  else {
    const other = found + (unequal - expected);
    const before = <i32>((unequal - expected) >> 2);
    const differ = f32x4.ne(v128.load(unequal), v128.load(other));
    firstOne = before + ctz(i32x4.bitmask(differ));
    let sum = squaredDifferences(expected, found, end);
    if (sum != sum) {
      firstOne = count;
      sum = oddDifferences(expected, found, vectors);
    }
    noise += sum;
    signal += sumOfSquares;
  }
  expected = end;
  found += (<usize>vectors) << 2;
  for (let index = vectors; index < count; index++, expected += 4, found += 4) {
    const one = load<f32>(expected);
    signal += <f64>one * <f64>one;
    noise += noteDifference(one, load<f32>(found), index);
  }
  sumOfSquares = signal;
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
