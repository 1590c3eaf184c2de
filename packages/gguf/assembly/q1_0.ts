import { loadHalf, storeHalf } from "./half";
import { highHalves, interleaveHigh, interleaveLow, lowHalves } from "./lanes";

// prettier-ignore
const constants = memory.data<u32>([
  1, 2, 4, 8,
  16, 32, 64, 128,
  0x80000000, 0x80000000, 0x80000000, 0x80000000,
]);

const BLOCK_BYTES = 18;
const VALUE_BYTES: usize = 512;

/** Twin of src/types/q1_0.ts. */
export function dequantizeQ1_0(bytes: usize, blocks: i32, out: usize): void {
  const low = v128.load(constants);
  const high = v128.load(constants, 16);
  const sign = v128.load(constants, 32);
  const none = i32x4.splat(0);
  for (; blocks > 0; blocks--, bytes += BLOCK_BYTES) {
    const d = f32x4.splat(loadHalf(bytes));
    for (let at = bytes + 2; at < bytes + BLOCK_BYTES; at++, out += 32) {
      const eight = i32x4.splat(load<u8>(at));
      const isNegative = i32x4.eq(v128.and(eight, low), none);
      const isNextNegative = i32x4.eq(v128.and(eight, high), none);
      v128.store(out, v128.xor(d, v128.and(isNegative, sign)));
      v128.store(out, v128.xor(d, v128.and(isNextNegative, sign)), 16);
    }
  }
}

/** A lane for each of four blocks, so that each sum has the order of the reference. */
export function quantizeQ1_0(values: usize, blocks: i32, out: usize): void {
  for (; blocks >= 4; blocks -= 4, values += 4 * VALUE_BYTES, out += 4 * BLOCK_BYTES) {
    let sums = f32x4.splat(0);
    for (let at = values; at < values + VALUE_BYTES; at += 16) {
      const a = f32x4.abs(v128.load(at));
      const b = f32x4.abs(v128.load(at + VALUE_BYTES));
      const c = f32x4.abs(v128.load(at + 2 * VALUE_BYTES));
      const d = f32x4.abs(v128.load(at + 3 * VALUE_BYTES));
      const ab = interleaveLow(a, b);
      const cd = interleaveLow(c, d);
      const abEnd = interleaveHigh(a, b);
      const cdEnd = interleaveHigh(c, d);
      sums = f32x4.add(f32x4.add(sums, lowHalves(ab, cd)), highHalves(ab, cd));
      sums = f32x4.add(f32x4.add(sums, lowHalves(abEnd, cdEnd)), highHalves(abEnd, cdEnd));
    }
    storeSigns(values, f32x4.extract_lane(sums, 0), out);
    storeSigns(values + VALUE_BYTES, f32x4.extract_lane(sums, 1), out + BLOCK_BYTES);
    storeSigns(values + 2 * VALUE_BYTES, f32x4.extract_lane(sums, 2), out + 2 * BLOCK_BYTES);
    storeSigns(values + 3 * VALUE_BYTES, f32x4.extract_lane(sums, 3), out + 3 * BLOCK_BYTES);
  }
  for (; blocks > 0; blocks--, values += VALUE_BYTES, out += BLOCK_BYTES) {
    let sum: f32 = 0;
    for (let at = values; at < values + VALUE_BYTES; at += 4) sum += abs(load<f32>(at));
    storeSigns(values, sum, out);
  }
}

function storeSigns(values: usize, sum: f32, out: usize): void {
  storeHalf(out, sum / 128);
  const zero = f32x4.splat(0);
  for (let to = out + 2; to < out + BLOCK_BYTES; to += 2, values += 64) {
    const low = i16x8.narrow_i32x4_s(f32x4.ge(v128.load(values), zero), f32x4.ge(v128.load(values, 16), zero));
    const high = i16x8.narrow_i32x4_s(f32x4.ge(v128.load(values, 32), zero), f32x4.ge(v128.load(values, 48), zero));
    store<u16>(to, <u16>i8x16.bitmask(i8x16.narrow_i16x8_s(low, high)));
  }
}
