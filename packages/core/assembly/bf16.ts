// prettier-ignore
const constants = memory.data<u32>([
  0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff,
  0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000, // infinity
  0x00007fff, 0x00007fff, 0x00007fff, 0x00007fff,
  0x00000001, 0x00000001, 0x00000001, 0x00000001,
  0x00000040, 0x00000040, 0x00000040, 0x00000040,
]);

/** Four f32 to bf16 codes in 32-bit lanes: ties to even; a NaN keeps its upper payload and becomes quiet. */
// @ts-ignore: decorator
@inline
export function narrowToBfloats(values: v128): v128 {
  const upper = i32x4.shr_u(values, 16);
  const odd = v128.and(upper, v128.load(constants, 48));
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(values, v128.load(constants, 32)), odd), 16);
  const isNan = i32x4.gt_s(v128.and(values, v128.load(constants)), v128.load(constants, 16));
  return v128.bitselect(v128.or(upper, v128.load(constants, 64)), rounded, isNan);
}

/** Twin of src/numeric/bf16.ts. Each function does `count` weights. */
export function dequantizeBF16(bytes: usize, count: i32, out: usize): void {
  const end = out + ((<usize>count) << 2);
  const vectorEnd = out + ((<usize>(count & ~15)) << 2);
  for (; out < vectorEnd; out += 64, bytes += 32) {
    v128.store(out, i32x4.shl(v128.load16x4_u(bytes), 16));
    v128.store(out, i32x4.shl(v128.load16x4_u(bytes, 8), 16), 16);
    v128.store(out, i32x4.shl(v128.load16x4_u(bytes, 16), 16), 32);
    v128.store(out, i32x4.shl(v128.load16x4_u(bytes, 24), 16), 48);
  }
  for (; out < end; out += 4, bytes += 2) store<u32>(out, (<u32>load<u16>(bytes)) << 16);
}

export function quantizeBF16(values: usize, count: i32, out: usize): void {
  const end = values + ((<usize>count) << 2);
  const vectorEnd = values + ((<usize>(count & ~15)) << 2);
  for (; values < vectorEnd; values += 64, out += 32) {
    v128.store(out, i16x8.narrow_i32x4_u(narrowToBfloats(v128.load(values)), narrowToBfloats(v128.load(values, 16))));
    v128.store(out, i16x8.narrow_i32x4_u(narrowToBfloats(v128.load(values, 32)), narrowToBfloats(v128.load(values, 48))), 16);
  }
  for (; values < end; values += 4, out += 2) {
    store<u16>(out, <u16>i32x4.extract_lane(narrowToBfloats(v128.load32_splat(values)), 0));
  }
}
