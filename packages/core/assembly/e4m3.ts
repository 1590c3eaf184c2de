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

// prettier-ignore
const constants = memory.data<u32>([
  0x7f7f7f7f, 0x7f7f7f7f, 0x7f7f7f7f, 0x7f7f7f7f,
  0x87f087f0, 0x87f087f0, 0x87f087f0, 0x87f087f0, // sign, exponent and mantissa in the upper half of an f32
  0x01010101, 0x01010101, 0x01010101, 0x01010101,
  0x07070707, 0x07070707, 0x07070707, 0x07070707,
  0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff,
  0x3c000000, 0x3c000000, 0x3c000000, 0x3c000000, // 120 in the exponent of an f32
  0x3c800000, 0x3c800000, 0x3c800000, 0x3c800000, // 121 there, and 2^-6
  0x00800000, 0x00800000, 0x00800000, 0x00800000,
  0x03800000, 0x03800000, 0x03800000, 0x03800000, // 2^-120
]);
const MAGNITUDE: usize = 0;
const IN_PLACE: usize = 16;
const ONE: usize = 32;
const SUBNORMALS: usize = 48;
const WITHOUT_SIGN: usize = 64;
const RAISE: usize = 80;
const SMALLEST_NORMAL: usize = 96;
const FIRST_EXPONENT: usize = 112;
const LOWER: usize = 128;

/** Four codes in the upper halves of f32: with their own exponent, 2^120 too small. */
// @ts-ignore: decorator
@inline
function storeNormal(out: usize, codes: v128, raised: v128): void {
  v128.store(out, f32x4.mul(codes, raised));
}

/** The same for subnormal codes as well, which as such f32 would take many times as long. */
// @ts-ignore: decorator
@inline
function storeAny(out: usize, codes: v128, scale: v128): void {
  const bits = v128.and(codes, v128.load(constants, WITHOUT_SIGN));
  const smallest = v128.load(constants, SMALLEST_NORMAL);
  const normal = i32x4.add(bits, v128.load(constants, RAISE));
  const subnormal = f32x4.sub(i32x4.add(bits, smallest), smallest);
  const isSubnormal = i32x4.lt_s(bits, v128.load(constants, FIRST_EXPONENT));
  const sign = v128.xor(codes, bits);
  v128.store(out, f32x4.mul(v128.or(v128.bitselect(subnormal, normal, isSubnormal), sign), scale));
}

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
 * Twin of src/numeric/float8-rows.ts. The scales are multiplied by 2^120 already.
 * @returns 0, or 1 where a code is NaN: then the values are wrong
 */
export function dequantizeE4m3(address: usize): i32 {
  const task = changetype<E4m3Rows>(address);
  const columns = <usize>task.columns;
  const width = <usize>task.blockColumns;
  const scaleStep = (<usize>task.rowStep) << 2;
  const magnitude = v128.load(constants, MAGNITUDE);
  const inPlace = v128.load(constants, IN_PLACE);
  const one = v128.load(constants, ONE);
  const subnormals = v128.load(constants, SUBNORMALS);
  const zero = i32x4.splat(0);
  let codes = <usize>task.codes;
  let out = <usize>task.out;
  let scales = <usize>task.scales;
  let largest = zero;
  let hasNaN = 0;
  for (let row = task.rows; row > 0; row--, scales += scaleStep) {
    const rowEnd = codes + columns;
    for (let at = scales; codes < rowEnd; at += 4) {
      const raised = v128.load32_splat(at);
      const scale = f32x4.mul(raised, v128.load(constants, LOWER));
      const end = min(codes + width, rowEnd);
      for (; codes + 16 <= end; codes += 16, out += 64) {
        const bytes = v128.load(codes);
        const sizes = v128.and(bytes, magnitude);
        largest = i8x16.max_u(largest, sizes);
        const low = v128.and(i16x8.shl(i16x8.extend_low_i8x16_s(bytes), 4), inPlace);
        const high = v128.and(i16x8.shl(i16x8.extend_high_i8x16_s(bytes), 4), inPlace);
        const a = v128.shuffle<i16>(zero, low, 0, 8, 1, 9, 2, 10, 3, 11);
        const b = v128.shuffle<i16>(zero, low, 4, 12, 5, 13, 6, 14, 7, 15);
        const c = v128.shuffle<i16>(zero, high, 0, 8, 1, 9, 2, 10, 3, 11);
        const d = v128.shuffle<i16>(zero, high, 4, 12, 5, 13, 6, 14, 7, 15);
        // 0 becomes 255
        if (v128.any_true(i8x16.lt_u(i8x16.sub(sizes, one), subnormals))) {
          storeAny(out, a, scale);
          storeAny(out + 16, b, scale);
          storeAny(out + 32, c, scale);
          storeAny(out + 48, d, scale);
        } else {
          storeNormal(out, a, raised);
          storeNormal(out + 16, b, raised);
          storeNormal(out + 32, c, raised);
          storeNormal(out + 48, d, raised);
        }
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
