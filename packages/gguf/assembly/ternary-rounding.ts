/** The part that TQ1_0 and TQ2_0 share: 256 weights rounded to −1, 0, 1 times their largest magnitude. */
import { bytesOf } from "./lanes";

// prettier-ignore
const constants = memory.data<u32>([
  0x80000000, 0x80000000, 0x80000000, 0x80000000,
  0x3effffff, 0x3effffff, 0x3effffff, 0x3effffff, // just below one half
  0x4b400000, 0x4b400000, 0x4b400000, 0x4b400000, // 1.5 × 2^23
  0x000000ff, 0x000000ff, 0x000000ff, 0x000000ff,
  0x01010101, 0x01010101, 0x01010101, 0x01010101,
]);

/** The largest magnitude of 256 values; NaNs do not count. */
export function largestMagnitude(values: usize): f32 {
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  for (const end = values + 1024; values < end; values += 64) {
    a = f32x4.pmax(a, f32x4.abs(v128.load(values)));
    b = f32x4.pmax(b, f32x4.abs(v128.load(values, 16)));
    c = f32x4.pmax(c, f32x4.abs(v128.load(values, 32)));
    d = f32x4.pmax(d, f32x4.abs(v128.load(values, 48)));
  }
  a = f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d));
  a = f32x4.pmax(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
  a = f32x4.pmax(a, v128.shuffle<i32>(a, a, 1, 0, 3, 2));
  return f32x4.extract_lane(a, 0);
}

/** Ties away from zero, in the lowest byte; what is infinite or NaN gives 0. */
// @ts-ignore: decorator
@inline
function rounded(value: v128, inverse: v128): v128 {
  const scaled = f32x4.mul(value, inverse);
  const half = v128.or(v128.and(scaled, v128.load(constants)), v128.load(constants, 16));
  const whole = f32x4.add(f32x4.trunc(f32x4.add(scaled, half)), v128.load(constants, 32));
  return v128.and(v128.and(whole, f32x4.eq(value, value)), v128.load(constants, 48));
}

/** 16 bytes: values × inverse, rounded, plus one. */
// @ts-ignore: decorator
@inline
export function trits(values: usize, inverse: v128): v128 {
  const bytes = bytesOf(
    rounded(v128.load(values), inverse),
    rounded(v128.load(values, 16), inverse),
    rounded(v128.load(values, 32), inverse),
    rounded(v128.load(values, 48), inverse),
  );
  return i8x16.add(bytes, v128.load(constants, 64));
}
