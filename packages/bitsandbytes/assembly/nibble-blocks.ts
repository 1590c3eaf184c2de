/**
 * Twin of src/nibble-blocks.ts. The sixteen values of a block are computed once and sorted by the places of their bytes,
 * so that each byte of a value is one swizzle away from its code.
 */

/**
 * Whole blocks. The fields of this class are those of `placeNibbleBlocks` in src/kernels/nibble-blocks-twin.ts, in the
 * same order.
 */
@unmanaged
class PlacedBlocks {
  codes: usize;
  /** Bytes of a block's codes, a multiple of 16. */
  blockBytes: i32;
  blocks: i32;
  levels: usize;
  scales: usize;
  /** 0: none, 1: to bf16, 2: to f16. */
  rounding: i32;
  out: usize;
}

// prettier-ignore
const constants = memory.data<u32>([
  0x00000001, 0x00000001, 0x00000001, 0x00000001,
  0x00007fff, 0x00007fff, 0x00007fff, 0x00007fff,
  0xffff0000, 0xffff0000, 0xffff0000, 0xffff0000,
  0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff,
  0x00000fff, 0x00000fff, 0x00000fff, 0x00000fff,
  0xffffe000, 0xffffe000, 0xffffe000, 0xffffe000,
  0x3f000000, 0x3f000000, 0x3f000000, 0x3f000000, // 0.5
  0x38800000, 0x38800000, 0x38800000, 0x38800000, // 2^-14
  0x477fe000, 0x477fe000, 0x477fe000, 0x477fe000, // 65504
  0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000, // infinity
  0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f,
]);

/** f32 without NaN to the nearest bf16, of two the even one. */
// @ts-ignore: decorator
@inline
function roundToBfloat(values: v128): v128 {
  const odd = v128.and(i32x4.shr_u(values, 16), v128.load(constants));
  const more = i32x4.add(values, i32x4.add(v128.load(constants, 16), odd));
  return v128.and(more, v128.load(constants, 32));
}

/** The same for f16; what is too large becomes infinity. */
// @ts-ignore: decorator
@inline
function roundToHalf(values: v128): v128 {
  const magnitude = v128.and(values, v128.load(constants, 48));
  const sign = v128.xor(values, magnitude);
  const odd = v128.and(i32x4.shr_u(magnitude, 13), v128.load(constants));
  const normal = v128.and(
    i32x4.add(magnitude, i32x4.add(v128.load(constants, 64), odd)),
    v128.load(constants, 80),
  );
  const large = i32x4.gt_s(normal, v128.load(constants, 128));
  const bounded = v128.bitselect(v128.load(constants, 144), normal, large);
  // the steps of numbers around one half are those of the smallest f16 numbers
  const half = v128.load(constants, 96);
  const small = f32x4.sub(f32x4.add(magnitude, half), half);
  const isSmall = i32x4.lt_s(magnitude, v128.load(constants, 112));
  return v128.or(v128.bitselect(small, bounded, isSmall), sign);
}

// @ts-ignore: decorator
@inline
function valuesAt(levels: usize, scale: v128, rounding: i32): v128 {
  const values = f32x4.mul(v128.load(levels), scale);
  if (rounding == 1) return roundToBfloat(values);
  if (rounding == 2) return roundToHalf(values);
  return values;
}

/** Sixteen values of sixteen codes, from the four tables of their bytes. */
// @ts-ignore: decorator
@inline
function storeValues(codes: v128, a: v128, b: v128, c: v128, d: v128, out: usize): void {
  const first = i8x16.swizzle(a, codes);
  const second = i8x16.swizzle(b, codes);
  const third = i8x16.swizzle(c, codes);
  const fourth = i8x16.swizzle(d, codes);
  const low = v128.shuffle<u8>(first, second, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const lowMore = v128.shuffle<u8>(first, second, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  const high = v128.shuffle<u8>(third, fourth, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const highMore = v128.shuffle<u8>(third, fourth, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  v128.store(out, v128.shuffle<u16>(low, high, 0, 8, 1, 9, 2, 10, 3, 11));
  v128.store(out, v128.shuffle<u16>(low, high, 4, 12, 5, 13, 6, 14, 7, 15), 16);
  v128.store(out, v128.shuffle<u16>(lowMore, highMore, 0, 8, 1, 9, 2, 10, 3, 11), 32);
  v128.store(out, v128.shuffle<u16>(lowMore, highMore, 4, 12, 5, 13, 6, 14, 7, 15), 48);
}

/** Codes to f32. */
export function dequantizeNibbleBlocks(given: PlacedBlocks): void {
  const levels = given.levels;
  const rounding = given.rounding;
  const blockBytes = <usize>given.blockBytes;
  const mask = v128.load(constants, 160);
  let from = given.codes;
  let out = given.out;
  let scaleAt = given.scales;
  const scaleEnd = scaleAt + 4 * <usize>given.blocks;
  for (; scaleAt < scaleEnd; scaleAt += 4) {
    const scale = v128.load32_splat(scaleAt);
    const v0 = valuesAt(levels, scale, rounding);
    const v1 = valuesAt(levels + 16, scale, rounding);
    const v2 = valuesAt(levels + 32, scale, rounding);
    const v3 = valuesAt(levels + 48, scale, rounding);
    const ab = v128.shuffle<u8>(v0, v1, 0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
    const cd = v128.shuffle<u8>(v0, v1, 2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31);
    const abMore = v128.shuffle<u8>(v2, v3, 0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
    const cdMore = v128.shuffle<u8>(v2, v3, 2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31);
    const a = v128.shuffle<u64>(ab, abMore, 0, 2);
    const b = v128.shuffle<u64>(ab, abMore, 1, 3);
    const c = v128.shuffle<u64>(cd, cdMore, 0, 2);
    const d = v128.shuffle<u64>(cd, cdMore, 1, 3);
    const end = from + blockBytes;
    for (; from < end; from += 16, out += 128) {
      const bytes = v128.load(from);
      const first = v128.and(i16x8.shr_u(bytes, 4), mask);
      const second = v128.and(bytes, mask);
      const low = v128.shuffle<u8>(first, second, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const high = v128.shuffle<u8>(first, second, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
      storeValues(low, a, b, c, d, out);
      storeValues(high, a, b, c, d, out + 64);
    }
  }
}
