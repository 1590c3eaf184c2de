import { loadHalf, storeHalf } from "./half";
import { largestMagnitude, trits } from "./ternary-rounding";

// prettier-ignore
const constants = memory.data<u16>([
  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
  3, 3, 3, 3, 3, 3, 3, 3,
  1, 1, 1, 1, 1, 1, 1, 1,
]);

/** The leading trit of eight fractions, minus one, times `scale`. */
// @ts-ignore: decorator
@inline
function storeTrits(out: usize, fractions: v128, scale: v128): void {
  const carry = i16x8.shr_u(i16x8.mul(fractions, v128.load(constants, 16)), 8);
  const trit = i16x8.sub(carry, v128.load(constants, 32));
  v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(trit)), scale));
  v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(trit)), scale), 16);
}

/** Five trits of each of eight bytes, `stride` bytes of output apart. */
// @ts-ignore: decorator
@inline
function unpackEight(bytes: usize, out: usize, stride: usize, scale: v128): void {
  let fractions = v128.load8x8_u(bytes);
  for (let n = 0; n < 5; n++, out += stride) {
    storeTrits(out, fractions, scale);
    fractions = v128.and(i16x8.mul(fractions, v128.load(constants, 16)), v128.load(constants));
  }
}

/** Twin of src/types/tq1_0.ts. */
export function dequantizeTQ1_0(bytes: usize, blocks: i32, out: usize): void {
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 54, out += 1024) {
    const scale = f32x4.splat(loadHalf(bytes, 52));
    for (let l: usize = 0; l < 32; l += 8) unpackEight(bytes + l, out + 4 * l, 128, scale);
    for (let l: usize = 0; l < 16; l += 8) unpackEight(bytes + 32 + l, out + 640 + 4 * l, 64, scale);
    // Four bytes of four trits: the next two trits of a byte are in the upper lanes.
    const first = v128.load8x8_u(bytes, 48);
    const mask = v128.load(constants);
    const three = v128.load(constants, 16);
    const second = v128.and(i16x8.mul(first, three), mask);
    const third = v128.and(i16x8.mul(second, three), mask);
    const fourth = v128.and(i16x8.mul(third, three), mask);
    storeTrits(out + 960, v128.shuffle<i64>(first, second, 0, 2), scale);
    storeTrits(out + 992, v128.shuffle<i64>(third, fourth, 0, 2), scale);
  }
}

const packed: usize = memory.data(16);

/** Bytes, in 16 bits, with one more trit at the end. */
// @ts-ignore: decorator
@inline
function append(bytes: v128, trit: v128): v128 {
  return v128.and(i16x8.add(i16x8.mul(bytes, v128.load(constants, 16)), trit), v128.load(constants));
}

/** ⌈byte × 256 / 243⌉ = byte + ⌊(13 × byte + 242) / 243⌋. */
// @ts-ignore: decorator
@inline
function asFraction(bytes: v128): v128 {
  const dividend = i16x8.add(i16x8.mul(bytes, i16x8.splat(13)), i16x8.splat(242));
  const factor = i16x8.splat(1079);
  const low = i32x4.shr_u(i32x4.extmul_low_i16x8_u(dividend, factor), 18);
  const high = i32x4.shr_u(i32x4.extmul_high_i16x8_u(dividend, factor), 18);
  return i16x8.add(bytes, i16x8.narrow_i32x4_u(low, high));
}

/** Five trits, `stride` bytes of input apart, of 16 bytes. */
// @ts-ignore: decorator
@inline
function packSixteen(values: usize, stride: usize, inverse: v128): v128 {
  let low = i16x8.splat(0);
  let high = i16x8.splat(0);
  for (let n: usize = 0; n < 5; n++, values += stride) {
    const next = trits(values, inverse);
    low = append(low, i16x8.extend_low_i8x16_u(next));
    high = append(high, i16x8.extend_high_i8x16_u(next));
  }
  const mask = v128.load(constants);
  return i8x16.narrow_i16x8_u(v128.and(asFraction(low), mask), v128.and(asFraction(high), mask));
}

export function quantizeTQ1_0(values: usize, blocks: i32, out: usize): void {
  for (; blocks > 0; blocks--, values += 1024, out += 54) {
    const d = largestMagnitude(values);
    const inverse = f32x4.splat(d != 0 ? <f32>1 / d : 0);
    v128.store(out, packSixteen(values, 128, inverse));
    v128.store(out, packSixteen(values + 64, 128, inverse), 16);
    v128.store(out, packSixteen(values + 640, 64, inverse), 32);
    // Weights 240 + l + 4n: the four trits of a byte are four lanes apart.
    v128.store(packed, trits(values + 960, inverse));
    for (let l: usize = 0; l < 4; l++) {
      let byte: u32 = 0;
      for (let n: usize = 0; n < 16; n += 4) byte = (byte * 3 + load<u8>(packed + l + n)) & 255;
      byte = (byte * 3) & 255;
      store<u8>(out + l, <u8>((byte * 256 + 242) / 243), 48);
    }
    storeHalf(out, d, 52);
  }
}
