let largest: f32 = 0;

/**
 * Twin of src/error-meter.ts: the squares of the differences (rounded to f32) of `count` values, added in eight f64 lanes.
 * `largestError` has the largest of them without its sign.
 */
export function addSquaredErrors(expected: usize, found: usize, count: i32): f64 {
  let sum01 = f64x2.splat(0);
  let sum23 = f64x2.splat(0);
  let sum45 = f64x2.splat(0);
  let sum67 = f64x2.splat(0);
  let most = f32x4.splat(0);
  const vectorEnd = expected + ((<usize>(count & ~7)) << 2);
  const end = expected + ((<usize>count) << 2);
  for (; expected < vectorEnd; expected += 32, found += 32) {
    const low = f32x4.sub(v128.load(expected), v128.load(found));
    const high = f32x4.sub(v128.load(expected, 16), v128.load(found, 16));
    most = f32x4.pmax(most, f32x4.pmax(f32x4.abs(low), f32x4.abs(high)));
    const error01 = f64x2.promote_low_f32x4(low);
    const error23 = f64x2.promote_low_f32x4(i32x4.shuffle(low, low, 2, 3, 2, 3));
    const error45 = f64x2.promote_low_f32x4(high);
    const error67 = f64x2.promote_low_f32x4(i32x4.shuffle(high, high, 2, 3, 2, 3));
    sum01 = f64x2.add(sum01, f64x2.mul(error01, error01));
    sum23 = f64x2.add(sum23, f64x2.mul(error23, error23));
    sum45 = f64x2.add(sum45, f64x2.mul(error45, error45));
    sum67 = f64x2.add(sum67, f64x2.mul(error67, error67));
  }
  let most0 = max(
    max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),
    max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)),
  );
  let rest: f64 = 0;
  for (; expected < end; expected += 4, found += 4) {
    const error = load<f32>(expected) - load<f32>(found);
    most0 = max(most0, abs(error));
    rest += <f64>error * <f64>error;
  }
  largest = most0;
  const sums = f64x2.add(f64x2.add(sum01, sum23), f64x2.add(sum45, sum67));
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1) + rest;
}

export function largestError(): f32 {
  return largest;
}
