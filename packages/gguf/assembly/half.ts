/** f16 ↔ f32: the twin of core's numeric/half.ts, for one number and for four lanes. */

// prettier-ignore
const constants = memory.data<u32>([
  0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff,
  0x47800000, 0x47800000, 0x47800000, 0x47800000, // 2^16
  0xc8000fff, 0xc8000fff, 0xc8000fff, 0xc8000fff, // −(112 << 23) + 0xfff
  0x00000001, 0x00000001, 0x00000001, 0x00000001,
  0x3f000000, 0x3f000000, 0x3f000000, 0x3f000000, // 0.5
  0x38800000, 0x38800000, 0x38800000, 0x38800000, // 2^-14
  0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000, // infinity
  0x00000200, 0x00000200, 0x00000200, 0x00000200,
  0x00008000, 0x00008000, 0x00008000, 0x00008000,
]);

/** The f16 at `address`, as f32. */
// @ts-ignore: decorator
@inline
export function loadHalf(address: usize, offset: usize = 0): f32 {
  const half = <u32>load<u16>(address + offset);
  const magnitude = half & 0x7fff;
  const bits = magnitude - 0x400 < 0x7800 ? (magnitude << 13) + 0x38000000 : unusual(magnitude);
  return reinterpret<f32>(bits | ((half & 0x8000) << 16));
}

/**
 * f32 bits of an f16 magnitude that is subnormal, infinite or NaN; a signalling NaN becomes quiet. Computed with
 * integers, because multiplying a subnormal f32 is slow, and subnormal scales are frequent in super-blocks.
 */
function unusual(magnitude: u32): u32 {
  if (magnitude < 0x400) return reinterpret<u32>(<f32>(<i32>magnitude) * reinterpret<f32>(0x33800000));
  return (magnitude << 13) + 0x70000000 + (magnitude > 0x7c00 ? ((~magnitude & 0x200) << 13) : 0);
}

/** Four f32 to f16 codes in 32-bit lanes: ties to even, overflow to infinity, every NaN 0x7E00 and its sign. */
// @ts-ignore: decorator
@inline
export function narrowToHalves(values: v128): v128 {
  const magnitude = v128.and(values, v128.load(constants));
  const bounded = i32x4.min_s(magnitude, v128.load(constants, 16));
  const odd = v128.and(i32x4.shr_u(bounded, 13), v128.load(constants, 48));
  const normal = i32x4.shr_s(i32x4.add(i32x4.add(bounded, v128.load(constants, 32)), odd), 13);
  // Units of 2^-24 appear in the mantissa when one half is added, rounded as they must be.
  const half = v128.load(constants, 64);
  const subnormal = i32x4.sub(f32x4.add(magnitude, half), half);
  const isSubnormal = i32x4.lt_s(magnitude, v128.load(constants, 80));
  const quiet = v128.and(i32x4.gt_s(magnitude, v128.load(constants, 96)), v128.load(constants, 112));
  const sign = v128.and(i32x4.shr_u(values, 16), v128.load(constants, 128));
  return v128.or(v128.or(v128.bitselect(subnormal, normal, isSubnormal), quiet), sign);
}

/** Stores `value` as f16. */
// @ts-ignore: decorator
@inline
export function storeHalf(address: usize, value: f32, offset: usize = 0): void {
  store<u16>(address + offset, <u16>i32x4.extract_lane(narrowToHalves(f32x4.splat(value)), 0));
}
