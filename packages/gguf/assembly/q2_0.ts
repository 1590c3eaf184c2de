import { loadHalf, storeHalf } from "./half";
import { bytesOf, bytesOf1, bytesOf3, storeScaled } from "./lanes";

const BLOCK_BYTES = 18;

// prettier-ignore
const constants = memory.data<u32>([
  0x80000000, 0x80000000, 0x80000000, 0x80000000,
  0x3effffff, 0x3effffff, 0x3effffff, 0x3effffff, // just below one half
  0x4f000000, 0x4f000000, 0x4f000000, 0x4f000000, // 2^31
]);

/** Twin of src/types/q2_0.ts. */
export function dequantizeQ2_0(bytes: usize, blocks: i32, out: usize): void {
  const mask = bytesOf3();
  const one = bytesOf1();
  for (; blocks > 0; blocks--, bytes += BLOCK_BYTES, out += 256) {
    const d = f32x4.splat(loadHalf(bytes));
    const qs = v128.load(bytes, 2);
    const q0 = i8x16.sub(v128.and(qs, mask), one);
    const q1 = i8x16.sub(v128.and(i16x8.shr_u(qs, 2), mask), one);
    const q2 = i8x16.sub(v128.and(i16x8.shr_u(qs, 4), mask), one);
    const q3 = i8x16.sub(v128.and(i16x8.shr_u(qs, 6), mask), one);
    const low01 = v128.shuffle<u8>(q0, q1, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const low23 = v128.shuffle<u8>(q2, q3, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const high01 = v128.shuffle<u8>(q0, q1, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const high23 = v128.shuffle<u8>(q2, q3, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    storeScaled(out, v128.shuffle<u16>(low01, low23, 0, 8, 1, 9, 2, 10, 3, 11), d);
    storeScaled(out + 64, v128.shuffle<u16>(low01, low23, 4, 12, 5, 13, 6, 14, 7, 15), d);
    storeScaled(out + 128, v128.shuffle<u16>(high01, high23, 0, 8, 1, 9, 2, 10, 3, 11), d);
    storeScaled(out + 192, v128.shuffle<u16>(high01, high23, 4, 12, 5, 13, 6, 14, 7, 15), d);
  }
}

/** Four codes: ties away from zero; what is infinite, NaN or beyond 32 bits gives 0. */
// @ts-ignore: decorator
@inline
function codes(values: usize, inverse: v128): v128 {
  const scaled = f32x4.mul(v128.load(values), inverse);
  const half = v128.or(v128.and(scaled, v128.load(constants)), v128.load(constants, 16));
  const whole = i32x4.add(i32x4.trunc_sat_f32x4_s(f32x4.add(scaled, half)), i32x4.splat(1));
  const code = i32x4.max_s(i32x4.min_s(whole, i32x4.splat(3)), i32x4.splat(0));
  return v128.and(code, f32x4.lt(f32x4.abs(scaled), v128.load(constants, 32)));
}

/** Sixteen codes to four bytes, each in a lane. */
// @ts-ignore: decorator
@inline
function fourBytes(values: usize, inverse: v128): v128 {
  const sixteen = bytesOf(
    codes(values, inverse),
    codes(values + 16, inverse),
    codes(values + 32, inverse),
    codes(values + 48, inverse),
  );
  const pairs = v128.or(sixteen, i32x4.shr_u(sixteen, 6));
  return v128.and(v128.or(pairs, i32x4.shr_u(pairs, 12)), i32x4.splat(255));
}

export function quantizeQ2_0(values: usize, blocks: i32, out: usize): void {
  for (; blocks > 0; blocks--, values += 256, out += BLOCK_BYTES) {
    let most = f32x4.splat(0);
    let next = most;
    for (let at = values; at < values + 256; at += 32) {
      most = f32x4.pmax(most, f32x4.abs(v128.load(at)));
      next = f32x4.pmax(next, f32x4.abs(v128.load(at, 16)));
    }
    most = f32x4.pmax(most, next);
    most = f32x4.pmax(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
    most = f32x4.pmax(most, v128.shuffle<i32>(most, most, 1, 0, 3, 2));
    const d = f32x4.extract_lane(most, 0);
    const inverse = f32x4.splat(d > 0 ? <f32>1 / d : 0);
    storeHalf(out, d);
    const bytes = bytesOf(
      fourBytes(values, inverse),
      fourBytes(values + 64, inverse),
      fourBytes(values + 128, inverse),
      fourBytes(values + 192, inverse),
    );
    v128.store(out, bytes, 2);
  }
}
