/** Moves between bytes and lanes that several types share. */

/** Constants are loaded before a loop: V8 rebuilds a splat at every use. */
// prettier-ignore
const constants = memory.data<u64>([
  0x0f0f0f0f0f0f0f0f, 0x0f0f0f0f0f0f0f0f,
  0x0808080808080808, 0x0808080808080808,
  0x1010101010101010, 0x1010101010101010,
  0x0303030303030303, 0x0303030303030303,
  0x2020202020202020, 0x2020202020202020,
  0x0404040404040404, 0x0404040404040404,
  0x3030303030303030, 0x3030303030303030,
  0x0101010101010101, 0x0101010101010101,
]);

/** 16 times the byte 15, 8, 16, 3, 32, 4, 48, 1. */
// @ts-ignore: decorator
@inline
export function bytesOf15(): v128 {
  return v128.load(constants);
}
// @ts-ignore: decorator
@inline
export function bytesOf8(): v128 {
  return v128.load(constants, 16);
}
// @ts-ignore: decorator
@inline
export function bytesOf16(): v128 {
  return v128.load(constants, 32);
}
// @ts-ignore: decorator
@inline
export function bytesOf3(): v128 {
  return v128.load(constants, 48);
}
// @ts-ignore: decorator
@inline
export function bytesOf32(): v128 {
  return v128.load(constants, 64);
}
// @ts-ignore: decorator
@inline
export function bytesOf4(): v128 {
  return v128.load(constants, 80);
}
// @ts-ignore: decorator
@inline
export function bytesOf48(): v128 {
  return v128.load(constants, 96);
}
// @ts-ignore: decorator
@inline
export function bytesOf1(): v128 {
  return v128.load(constants, 112);
}

/** 16 signed bytes times `scale`, to f32. */
// @ts-ignore: decorator
@inline
export function storeScaled(out: usize, codes: v128, scale: v128): void {
  const low = i16x8.extend_low_i8x16_s(codes);
  const high = i16x8.extend_high_i8x16_s(codes);
  v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)), scale));
  v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)), scale), 16);
  v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)), scale), 32);
  v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)), scale), 48);
}

/** 16 bytes times `scale` plus `offset`, to f32. */
// @ts-ignore: decorator
@inline
export function storeScaledPlus(out: usize, codes: v128, scale: v128, offset: v128): void {
  const low = i16x8.extend_low_i8x16_u(codes);
  const high = i16x8.extend_high_i8x16_u(codes);
  const a = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low));
  const b = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low));
  const c = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high));
  const d = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high));
  v128.store(out, f32x4.add(f32x4.mul(a, scale), offset));
  v128.store(out, f32x4.add(f32x4.mul(b, scale), offset), 16);
  v128.store(out, f32x4.add(f32x4.mul(c, scale), offset), 32);
  v128.store(out, f32x4.add(f32x4.mul(d, scale), offset), 48);
}

/** 16 bytes times `scale` minus `offset`, to f32. */
// @ts-ignore: decorator
@inline
export function storeScaledMinus(out: usize, codes: v128, scale: v128, offset: v128): void {
  const low = i16x8.extend_low_i8x16_u(codes);
  const high = i16x8.extend_high_i8x16_u(codes);
  const a = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low));
  const b = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low));
  const c = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high));
  const d = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high));
  v128.store(out, f32x4.sub(f32x4.mul(a, scale), offset));
  v128.store(out, f32x4.sub(f32x4.mul(b, scale), offset), 16);
  v128.store(out, f32x4.sub(f32x4.mul(c, scale), offset), 32);
  v128.store(out, f32x4.sub(f32x4.mul(d, scale), offset), 48);
}

/** Lanes 0 and 1 of two vectors, interleaved. */
// @ts-ignore: decorator
@inline
export function interleaveLow(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 0, 4, 1, 5);
}

/** Lanes 2 and 3 of two vectors, interleaved. */
// @ts-ignore: decorator
@inline
export function interleaveHigh(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 2, 6, 3, 7);
}

/** The lower halves of two vectors. */
// @ts-ignore: decorator
@inline
export function lowHalves(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(a, b, 0, 2);
}

/** The upper halves of two vectors. */
// @ts-ignore: decorator
@inline
export function highHalves(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(a, b, 1, 3);
}

/** The low bytes of 16 lanes. Lanes must be in 0 … 255. */
// @ts-ignore: decorator
@inline
export function bytesOf(a: v128, b: v128, c: v128, d: v128): v128 {
  return i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}
