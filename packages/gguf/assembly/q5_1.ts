import { codes, fourBlocks, mins, roundFourToRange, scales } from "./direct-rounding";
import { highBits, packFiveBitCodes } from "./five-bit-codes";
import { loadHalf, storeHalf } from "./half";
import { bytesOf15, bytesOf16, storeScaledPlus } from "./lanes";
import { keepCodes, mins as foundMins, searchScaleAndMin } from "./scale-search";
import { scales as found } from "./sub-block-lanes";
import { loadBlocks } from "./weighted-blocks";

/** Twin of src/types/q5_1.ts. */
export function dequantizeQ5_1(bytes: usize, blocks: i32, out: usize): void {
  const mask = bytesOf15();
  const fifth = bytesOf16();
  for (const end = out + ((<usize>blocks) << 7); out < end; bytes += 24, out += 128) {
    const d = f32x4.splat(loadHalf(bytes));
    const m = f32x4.splat(loadHalf(bytes, 2));
    const qs = v128.load(bytes, 8);
    const low = v128.or(v128.and(qs, mask), highBits(bytes, 4, fifth));
    const high = v128.or(v128.and(i16x8.shr_u(qs, 4), mask), highBits(bytes, 6, fifth));
    storeScaledPlus(out, low, d, m);
    storeScaledPlus(out + 64, high, d, m);
  }
}

export function quantizeQ5_1(values: usize, blocks: i32, out: usize): void {
  for (; blocks > 0; blocks -= 4, values += 512) {
    roundFourToRange(fourBlocks(values, blocks), 31);
    const count = <usize>min(blocks, 4);
    for (let block: usize = 0; block < count; block++, out += 24) {
      store<u16>(out, load<u16>(scales + 4 * block));
      store<u16>(out, load<u16>(mins + 4 * block), 2);
      packFiveBitCodes(codes + 32 * block, out + 4);
    }
  }
}

export function quantizeWeightedQ5_1(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): void {
  for (; blocks > 0; blocks -= 8, values += 1024, importance += 1024) {
    const from = loadBlocks(values, blocks, importance, variance, 2);
    searchScaleAndMin(2, 32, 31, -0.9, 0.05, 36);
    const count = <usize>min(blocks, 8);
    for (let block: usize = 0; block < count; block++, out += 24) {
      keepCodes(from + 128 * block, 32, block, 31, codes);
      storeHalf(out, load<f32>(found + 4 * block));
      storeHalf(out, -load<f32>(foundMins + 4 * block), 2);
      packFiveBitCodes(codes, out + 4);
    }
  }
}
