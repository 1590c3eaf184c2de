/**
 * Twin of src/pairs.ts. The upper 16 bits of an f32 hold an E2M1 value, its sign included; they are looked up byte by byte.
 * The nibble kernel of core takes any sixteen levels, and offsets. It is slower (docs/benchmarks.md: MLX MXFP4 against MXFP4 of
 * gpt-oss), so E2M1 with scales of one byte has this kernel.
 */

/** Bits 16 to 23, then bits 24 to 31, of the sixteen values. */
// prettier-ignore
const constants = memory.data<u8>([
  0x00, 0x00, 0x80, 0xc0, 0x00, 0x40, 0x80, 0xc0, 0x00, 0x00, 0x80, 0xc0, 0x00, 0x40, 0x80, 0xc0,
  0x00, 0x3f, 0x3f, 0x3f, 0x40, 0x40, 0x40, 0x40, 0x80, 0xbf, 0xbf, 0xbf, 0xc0, 0xc0, 0xc0, 0xc0,
  0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f,
], 16);

/** Sixteen codes, in eight bytes, times a scale. */
// @ts-ignore: decorator
@inline
function dequantizeSixteen(pairs: v128, scale: v128, out: usize): void {
  const codes = v128.shuffle<i8>(
    v128.and(pairs, v128.load(constants, 32)), i8x16.shr_u(pairs, 4),
    0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
  );
  const low = i8x16.swizzle(v128.load(constants), codes);
  const high = i8x16.swizzle(v128.load(constants, 16), codes);
  const zero = i64x2.splat(0);
  const first = v128.shuffle<i8>(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const second = v128.shuffle<i8>(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  v128.store(out, f32x4.mul(v128.shuffle<i16>(zero, first, 0, 8, 1, 9, 2, 10, 3, 11), scale));
  v128.store(out, f32x4.mul(v128.shuffle<i16>(zero, first, 4, 12, 5, 13, 6, 14, 7, 15), scale), 16);
  v128.store(out, f32x4.mul(v128.shuffle<i16>(zero, second, 0, 8, 1, 9, 2, 10, 3, 11), scale), 32);
  v128.store(out, f32x4.mul(v128.shuffle<i16>(zero, second, 4, 12, 5, 13, 6, 14, 7, 15), scale), 48);
}

/** `scaleValues`: 256 f32. */
export function dequantizePairs16(pairs: usize, scales: usize, scaleValues: usize, blocks: i32, out: usize): void {
  for (const end = scales + <usize>blocks; scales < end; scales++, pairs += 8, out += 64) {
    const scale = v128.load32_splat(scaleValues + ((<usize>load<u8>(scales)) << 2));
    dequantizeSixteen(v128.load64_zero(pairs), scale, out);
  }
}

export function dequantizePairs32(pairs: usize, scales: usize, scaleValues: usize, blocks: i32, out: usize): void {
  for (const end = scales + <usize>blocks; scales < end; scales++, pairs += 16, out += 128) {
    const scale = v128.load32_splat(scaleValues + ((<usize>load<u8>(scales)) << 2));
    dequantizeSixteen(v128.load64_zero(pairs), scale, out);
    dequantizeSixteen(v128.load64_zero(pairs, 8), scale, out + 64);
  }
}
