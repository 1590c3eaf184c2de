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
  0x00010001, 0x00010001, 0x00010001, 0x00010001,
  0x07ff07ff, 0x07ff07ff, 0x07ff07ff, 0x07ff07ff, // 2^-14 as f16, a place higher, less one
  0x00007fff, 0x00007fff, 0x00007fff, 0x00007fff,
  0x38000000, 0x38000000, 0x38000000, 0x38000000, // 112 << 23
  0x33800000, 0x33800000, 0x33800000, 0x33800000, // 2^-24
  0x00000400, 0x00000400, 0x00000400, 0x00000400,
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
const ONE_HALVES: usize = 208;
const NORMAL_HALVES: usize = 224;
const HALF_MAGNITUDE: usize = 240;
const REBIASED: usize = 256;
const TWO_MINUS_24: usize = 272;
const FIRST_NORMAL: usize = 288;

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

/** Four f16 codes that are finite, zero-extended, without a subnormal f32 on the way. */
// @ts-ignore: decorator
@inline
function widenSlowly(halves: v128): v128 {
  const magnitude = v128.and(halves, v128.load(constants, HALF_MAGNITUDE));
  const normal = i32x4.add(i32x4.shl(magnitude, 13), v128.load(constants, REBIASED));
  const subnormal = f32x4.mul(f32x4.convert_i32x4_s(magnitude), v128.load(constants, TWO_MINUS_24));
  const isSubnormal = i32x4.lt_s(magnitude, v128.load(constants, FIRST_NORMAL));
  const sign = i32x4.shl(v128.and(halves, v128.load(constants, HALF_SIGN)), 16);
  return v128.or(v128.bitselect(subnormal, normal, isSubnormal), sign);
}

/** 16 codes of which some are subnormal: processors of some makers take a hundred cycles to multiply a subnormal f32. */
function widenSubnormals(bytes: usize, out: usize): void {
  v128.store(out, widenSlowly(v128.load16x4_u(bytes)));
  v128.store(out, widenSlowly(v128.load16x4_u(bytes, 8)), 16);
  v128.store(out, widenSlowly(v128.load16x4_u(bytes, 16)), 32);
  v128.store(out, widenSlowly(v128.load16x4_u(bytes, 24)), 48);
}

/** `count` weights. Constants are loaded once: they stay in registers. */
export function widenHalves(bytes: usize, count: i32, out: usize): void {
  const inPlace = v128.load(constants, IN_PLACE);
  const raise = v128.load(constants, TWO_112);
  const infinite = v128.load(constants, INFINITE_HALVES);
  const one = v128.load(constants, ONE_HALVES);
  const normal = v128.load(constants, NORMAL_HALVES);
  const end = bytes + ((<usize>count) << 1);
  for (const last = end - RUN; count >= 256 && bytes <= last; bytes += RUN) {
    let largest = i16x8.splat(0);
    for (const runEnd = bytes + RUN; bytes < runEnd; bytes += 32, out += 64) {
      const a = v128.load(bytes);
      const b = v128.load(bytes, 16);
      // without their signs
      const first = i16x8.add(a, a);
      const second = i16x8.add(b, b);
      largest = i16x8.max_u(largest, i16x8.max_u(first, second));
      // less one, zeros are the largest numbers
      const least = i16x8.min_u(i16x8.sub(first, one), i16x8.sub(second, one));
      if (v128.any_true(i16x8.lt_u(least, normal))) {
        widenSubnormals(bytes, out);
        continue;
      }
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
