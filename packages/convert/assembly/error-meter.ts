let largest: f32 = 0;
let squares: f64 = 0;

/** All bits but the sign: loaded, because V8 rebuilds a constant at every use. */
const magnitudes = memory.data<u32>([0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff]);

/** Bytes of values whose squares are added in f32 before the sums go on in doubles: 128 values, 16 in each of eight lanes. */
const RUN: usize = 512;

/**
 * Twin of src/run/error-meter.ts: the squares of the differences of `count` values, differences and squares rounded to f32.
 * `largestError` has the largest difference without its sign, `expectedSquares` the squares of the expected values.
 */
export function addSquaredErrors(expected: usize, found: usize, count: i32): f64 {
  let sum01 = f64x2.splat(0);
  let sum23 = f64x2.splat(0);
  const magnitude = v128.load(magnitudes);
  let most = f32x4.splat(0);
  let other = most;
  let signal01 = f64x2.splat(0);
  let signal23 = f64x2.splat(0);
  const end = expected + ((<usize>count) << 2);
  const vectorEnd = expected + ((<usize>(count & ~7)) << 2);
  while (expected < vectorEnd) {
    const runEnd = min(expected + RUN, vectorEnd);
    let low = f32x4.splat(0);
    let high = low;
    let signalLow = low;
    let signalHigh = low;
    for (; expected < runEnd; expected += 32, found += 32) {
      const first = v128.load(expected);
      const second = v128.load(expected, 16);
      const a = f32x4.sub(first, v128.load(found));
      const b = f32x4.sub(second, v128.load(found, 16));
      most = f32x4.pmax(most, v128.and(a, magnitude));
      other = f32x4.pmax(other, v128.and(b, magnitude));
      low = f32x4.add(low, f32x4.mul(a, a));
      high = f32x4.add(high, f32x4.mul(b, b));
      signalLow = f32x4.add(signalLow, f32x4.mul(first, first));
      signalHigh = f32x4.add(signalHigh, f32x4.mul(second, second));
    }
    const signals = f32x4.add(signalLow, signalHigh);
    signal01 = f64x2.add(signal01, f64x2.promote_low_f32x4(signals));
    signal23 = f64x2.add(signal23, f64x2.promote_low_f32x4(i32x4.shuffle(signals, signals, 2, 3, 2, 3)));
    const both = f32x4.add(low, high);
    sum01 = f64x2.add(sum01, f64x2.promote_low_f32x4(both));
    sum23 = f64x2.add(sum23, f64x2.promote_low_f32x4(i32x4.shuffle(both, both, 2, 3, 2, 3)));
  }
  most = f32x4.pmax(most, other);
  let most0 = max(
    max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),
    max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)),
  );
  let rest: f64 = 0;
  let signalRest: f64 = 0;
  for (; expected < end; expected += 4, found += 4) {
    const value = load<f32>(expected);
    const error = value - load<f32>(found);
    signalRest += <f64>(value * value);
    most0 = max(most0, abs(error));
    rest += <f64>(error * error);
  }
  largest = most0;
  const signal = f64x2.add(signal01, signal23);
  squares = f64x2.extract_lane(signal, 0) + f64x2.extract_lane(signal, 1) + signalRest;
  const sums = f64x2.add(sum01, sum23);
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1) + rest;
}

export function largestError(): f32 {
  return largest;
}

export function expectedSquares(): f64 {
  return squares;
}
