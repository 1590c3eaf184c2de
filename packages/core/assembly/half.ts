/**
 * f16 ↔ f32, four lanes at a time: the twin of src/numeric/half.ts. Constants are loaded, because V8 rebuilds a splat
 * at every use.
 */

// prettier-ignore
const constants = memory.data<u32>([
  0x8fffe000, 0x8fffe000, 0x8fffe000, 0x8fffe000,
  0x0f800000, 0x0f800000, 0x0f800000, 0x0f800000,
  0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000, // infinity
  0x77800000, 0x77800000, 0x77800000, 0x77800000, // 2^112
  0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff,
  0x47800000, 0x47800000, 0x47800000, 0x47800000, // 2^16
  0xc8000fff, 0xc8000fff, 0xc8000fff, 0xc8000fff, // −(112 << 23) + 0xfff
  0x00000001, 0x00000001, 0x00000001, 0x00000001,
  0x3f000000, 0x3f000000, 0x3f000000, 0x3f000000, // 0.5
  0x38800000, 0x38800000, 0x38800000, 0x38800000, // 2^-14
  0x00000200, 0x00000200, 0x00000200, 0x00000200,
  0x00008000, 0x00008000, 0x00008000, 0x00008000,
  0xf800f800, 0xf800f800, 0xf800f800, 0xf800f800, // infinity as f16, without its sign and a place higher
]);
const IN_PLACE: usize = 0;
const SHIFTED_EXPONENT: usize = 16;
const INFINITE: usize = 32;
const TWO_112: usize = 48;
const MAGNITUDE: usize = 64;
const TWO_16: usize = 80;
const REBIAS: usize = 96;
const ONE: usize = 112;
const HALF: usize = 128;
const SMALLEST_NORMAL: usize = 144;
const QUIET: usize = 160;
const HALF_SIGN: usize = 176;
const INFINITE_HALVES: usize = 192;

/**
 * Four f16 codes, sign-extended, to f32. Shifted into place, the codes are f32 whose exponents are 112 too small, and one
 * multiplication corrects that, subnormals included. Infinity and NaN get the largest exponent before it, so that the
 * multiplication also makes signalling NaNs quiet.
 */
// @ts-ignore: decorator
@inline
function widen(halves: v128, inPlace: v128, exponent: v128, infinite: v128, raise: v128): v128 {
  const shifted = v128.and(i32x4.shl(halves, 13), inPlace);
  const isInfinite = i32x4.eq(v128.and(shifted, exponent), exponent);
  return f32x4.mul(v128.or(shifted, v128.and(isInfinite, infinite)), raise);
}

/** The same where there is neither infinity nor NaN. */
// @ts-ignore: decorator
@inline
function widenFinite(halves: v128, inPlace: v128, raise: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(halves, 13), inPlace), raise);
}

/** Bytes of f16 codes that are converted as if all were finite, and converted again if not. */
const RUN: usize = 512;

/** `count` weights. Constants are loaded once: they stay in registers. */
export function widenHalves(bytes: usize, count: i32, out: usize): void {
  const inPlace = v128.load(constants, IN_PLACE);
  const raise = v128.load(constants, TWO_112);
  const infinite = v128.load(constants, INFINITE_HALVES);
  const end = bytes + ((<usize>count) << 1);
  for (const last = end - RUN; count >= 256 && bytes <= last; bytes += RUN) {
    let largest = i16x8.splat(0);
    for (const runEnd = bytes + RUN; bytes < runEnd; bytes += 32, out += 64) {
      const a = v128.load(bytes);
      const b = v128.load(bytes, 16);
      // without their signs
      largest = i16x8.max_u(largest, i16x8.max_u(i16x8.add(a, a), i16x8.add(b, b)));
      v128.store(out, widenFinite(v128.load16x4_s(bytes), inPlace, raise));
      v128.store(out, widenFinite(v128.load16x4_s(bytes, 8), inPlace, raise), 16);
      v128.store(out, widenFinite(v128.load16x4_s(bytes, 16), inPlace, raise), 32);
      v128.store(out, widenFinite(v128.load16x4_s(bytes, 24), inPlace, raise), 48);
    }
    bytes -= RUN;
    if (v128.any_true(i16x8.ge_u(largest, infinite))) widenAny(bytes, bytes + RUN, out - 2 * RUN);
  }
  widenAny(bytes, end, out);
}

function widenAny(bytes: usize, end: usize, out: usize): void {
  const inPlace = v128.load(constants, IN_PLACE);
  const exponent = v128.load(constants, SHIFTED_EXPONENT);
  const infinite = v128.load(constants, INFINITE);
  const raise = v128.load(constants, TWO_112);
  for (; bytes + 8 <= end; bytes += 8, out += 16) {
    v128.store(out, widen(v128.load16x4_s(bytes), inPlace, exponent, infinite, raise));
  }
  for (; bytes < end; out += 4, bytes += 2) {
    const value = widen(i32x4.splat(load<i16>(bytes)), inPlace, exponent, infinite, raise);
    v128.store32_lane(out, value, 0);
  }
}

/** Four f32 to f16 codes in 32-bit lanes: ties to even, overflow to infinity, every NaN 0x7E00 and its sign. */
// @ts-ignore: decorator
@inline
export function narrowToHalves(values: v128): v128 {
  const magnitude = v128.and(values, v128.load(constants, MAGNITUDE));
  const bounded = i32x4.min_s(magnitude, v128.load(constants, TWO_16));
  const odd = v128.and(i32x4.shr_u(bounded, 13), v128.load(constants, ONE));
  const normal = i32x4.shr_s(i32x4.add(i32x4.add(bounded, v128.load(constants, REBIAS)), odd), 13);
  // Units of 2^-24 appear in the mantissa when one half is added, rounded as they must be.
  const half = v128.load(constants, HALF);
  const subnormal = i32x4.sub(f32x4.add(magnitude, half), half);
  const isSubnormal = i32x4.lt_s(magnitude, v128.load(constants, SMALLEST_NORMAL));
  const quiet = v128.and(
    i32x4.gt_s(magnitude, v128.load(constants, INFINITE)),
    v128.load(constants, QUIET),
  );
  const sign = v128.and(i32x4.shr_u(values, 16), v128.load(constants, HALF_SIGN));
  return v128.or(v128.or(v128.bitselect(subnormal, normal, isSubnormal), quiet), sign);
}

/** Four f16 codes in 32-bit lanes to f32. */
// @ts-ignore: decorator
@inline
export function widenLanes(halves: v128): v128 {
  return widen(
    i32x4.shr_s(i32x4.shl(halves, 16), 16),
    v128.load(constants, IN_PLACE),
    v128.load(constants, SHIFTED_EXPONENT),
    v128.load(constants, INFINITE),
    v128.load(constants, TWO_112),
  );
}
