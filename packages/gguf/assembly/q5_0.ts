import { codes, fourBlocks, roundFourToExtreme, scales } from "./direct-rounding";
import { highBits, packFiveBitCodes } from "./five-bit-codes";
import { loadHalf, storeHalf } from "./half";
import { bytesOf15, bytesOf16, storeScaled } from "./lanes";
import { keepCodes, searchScale } from "./signed-search";
import { scales as found } from "./sub-block-lanes";
import { loadBlocks } from "./weighted-blocks";

/** Twin of src/types/q5_0.ts. */
export function dequantizeQ5_0(bytes: usize, blocks: i32, out: usize): void {
  const mask = bytesOf15();
  const zero = bytesOf16();
  for (const end = out + ((<usize>blocks) << 7); out < end; bytes += 22, out += 128) {
    const d = f32x4.splat(loadHalf(bytes));
    const qs = v128.load(bytes, 6);
    const low = v128.or(v128.and(qs, mask), highBits(bytes, 2, zero));
    const high = v128.or(v128.and(i16x8.shr_u(qs, 4), mask), highBits(bytes, 4, zero));
    storeScaled(out, i8x16.sub(low, zero), d);
    storeScaled(out + 64, i8x16.sub(high, zero), d);
  }
}

export function quantizeQ5_0(values: usize, blocks: i32, out: usize): void {
  for (; blocks > 0; blocks -= 4, values += 512) {
    roundFourToExtreme(fourBlocks(values, blocks), 16);
    const count = <usize>min(blocks, 4);
    for (let block: usize = 0; block < count; block++, out += 22) {
      store<u16>(out, load<u16>(scales + 4 * block));
      packFiveBitCodes(codes + 32 * block, out + 2);
    }
  }
}

export function quantizeWeightedQ5_0(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): void {
  for (; blocks > 0; blocks -= 4, values += 512, importance += 512) {
    const from = loadBlocks(values, blocks, importance, variance, 1);
    searchScale(1, 32, 16);
    const count = <usize>min(blocks, 4);
    for (let block: usize = 0; block < count; block++, out += 22) {
      keepCodes(from + 128 * block, 32, block, 16, codes);
      storeHalf(out, load<f32>(found + 4 * block));
      packFiveBitCodes(codes, out + 2);
    }
  }
}
