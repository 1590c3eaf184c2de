/** Rows of codes; all addresses and counts are of 32 bits. The order is that of src/kernels/float8-twin.ts. */
@unmanaged
class E4m3Rows {
  codes: u32;
  out: u32;
  rows: i32;
  columns: i32;
  scales: u32;
  rowStep: i32;
  blockColumns: i32;
}

/**
 * The upper 16 bits of an f32 hold an E4M3 value. For a code without its sign they are the code shifted by 4 bits and 0x3c00,
 * which moves the exponent by 120. Codes 0 to 7, the subnormal ones, have other bits: the tables hold what is to be added to
 * each byte. A swizzle gives 0 for all codes from 16 on.
 */
// prettier-ignore
const constants = memory.data<u8>([
  0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f,
  0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f,
  0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c, 0x3c,
  // 0x00, 0x3b, 0x3b, 0x3b, 0x3c, 0x3c, 0x3c, 0x3c less 0x3c
  0xc4, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
  // 0x00, 0x00, 0x80, 0xc0, 0x00, 0x20, 0x40, 0x60 less 0x00, 0x10, … 0x70
  0x00, 0xf0, 0x60, 0x90, 0xc0, 0xd0, 0xe0, 0xf0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
], 16);
const MAGNITUDE: usize = 0;
const NIBBLE: usize = 16;
const EXPONENT: usize = 32;
const UPPER_BYTES: usize = 48;
const LOWER_BYTES: usize = 64;

/** One code as f32. */
// @ts-ignore: decorator
@inline
function valueOf(code: i32): f32 {
  const magnitude = code & 0x7f;
  const value =
    magnitude < 8
      ? <f32>magnitude * <f32>0.001953125
      : reinterpret<f32>((magnitude << 20) + 0x3c000000);
  return (code & 0x80) == 0 ? value : -value;
}

/**
 * Twin of src/numeric/float8-rows.ts.
 * @returns 0, or 1 where a code is NaN: then the values are wrong
 */
export function dequantizeE4m3(address: usize): i32 {
  const task = changetype<E4m3Rows>(address);
  const columns = <usize>task.columns;
  const width = <usize>task.blockColumns;
  const scaleStep = (<usize>task.rowStep) << 2;
  const magnitude = v128.load(constants, MAGNITUDE);
  const nibble = v128.load(constants, NIBBLE);
  const exponent = v128.load(constants, EXPONENT);
  const upperBytes = v128.load(constants, UPPER_BYTES);
  const lowerBytes = v128.load(constants, LOWER_BYTES);
  const zero = i32x4.splat(0);
  let codes = <usize>task.codes;
  let out = <usize>task.out;
  let scales = <usize>task.scales;
  let largest = zero;
  let hasNaN = 0;
  for (let row = task.rows; row > 0; row--, scales += scaleStep) {
    const rowEnd = codes + columns;
    for (let at = scales; codes < rowEnd; at += 4) {
      const scale = v128.load32_splat(at);
      const end = min(codes + width, rowEnd);
      for (; codes + 16 <= end; codes += 16, out += 64) {
        const bytes = v128.load(codes);
        const sizes = v128.and(bytes, magnitude);
        largest = i8x16.max_u(largest, sizes);
        const sign = v128.xor(bytes, sizes);
        const shifted = i8x16.add(v128.and(i16x8.shr_u(sizes, 4), nibble), exponent);
        const upper = v128.or(i8x16.add(shifted, i8x16.swizzle(upperBytes, sizes)), sign);
        const low = i16x8.shl(v128.and(sizes, nibble), 4);
        const lower = i8x16.add(low, i8x16.swizzle(lowerBytes, sizes));
        const first = v128.shuffle<i8>(lower, upper, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const last = v128.shuffle<i8>(lower, upper, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        v128.store(out, f32x4.mul(v128.shuffle<i16>(zero, first, 0, 8, 1, 9, 2, 10, 3, 11), scale));
        v128.store(out, f32x4.mul(v128.shuffle<i16>(zero, first, 4, 12, 5, 13, 6, 14, 7, 15), scale), 16);
        v128.store(out, f32x4.mul(v128.shuffle<i16>(zero, last, 0, 8, 1, 9, 2, 10, 3, 11), scale), 32);
        v128.store(out, f32x4.mul(v128.shuffle<i16>(zero, last, 4, 12, 5, 13, 6, 14, 7, 15), scale), 48);
      }
      const factor = f32x4.extract_lane(scale, 0);
      for (; codes < end; codes++, out += 4) {
        const code = <i32>load<u8>(codes);
        hasNaN |= i32((code & 0x7f) == 0x7f);
        store<f32>(out, valueOf(code) * factor);
      }
    }
  }
  return hasNaN | i32(v128.any_true(i8x16.eq(largest, magnitude)));
}
