import { codes, fourBlocks, mins, roundFourToRange, scales } from "./direct-rounding";
import { loadHalf, storeHalf } from "./half";
import { bytesOf15, storeScaledPlus } from "./lanes";
import { keepCodes, mins as foundMins, searchScaleAndMin } from "./scale-search";
import { scales as found } from "./sub-block-lanes";
import { loadBlocks } from "./weighted-blocks";

/** Twin of src/types/q4_1.ts. */
export function dequantizeQ4_1(bytes: usize, blocks: i32, out: usize): void {
  const mask = bytesOf15();
  for (const end = out + ((<usize>blocks) << 7); out < end; bytes += 20, out += 128) {
    const d = f32x4.splat(loadHalf(bytes));
    const m = f32x4.splat(loadHalf(bytes, 2));
    const qs = v128.load(bytes, 4);
    storeScaledPlus(out, v128.and(qs, mask), d, m);
    storeScaledPlus(out + 64, v128.and(i16x8.shr_u(qs, 4), mask), d, m);
  }
}

export function quantizeQ4_1(values: usize, blocks: i32, out: usize): void {
  for (; blocks > 0; blocks -= 4, values += 512) {
    roundFourToRange(fourBlocks(values, blocks), 15);
    const count = <usize>min(blocks, 4);
    for (let block: usize = 0; block < count; block++, out += 20) {
      store<u16>(out, load<u16>(scales + 4 * block));
      store<u16>(out, load<u16>(mins + 4 * block), 2);
      const low = v128.load(codes + 32 * block);
      const high = v128.load(codes + 32 * block, 16);
      v128.store(out, v128.or(low, i8x16.shl(high, 4)), 4);
    }
  }
}

export function quantizeWeightedQ4_1(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): void {
  for (; blocks > 0; blocks -= 8, values += 1024, importance += 1024) {
    const from = loadBlocks(values, blocks, importance, variance, 2);
    searchScaleAndMin(2, 32, 15, -0.9, 0.05, 36);
    const count = <usize>min(blocks, 8);
    for (let block: usize = 0; block < count; block++, out += 20) {
      keepCodes(from + 128 * block, 32, block, 15, codes);
      storeHalf(out, load<f32>(found + 4 * block));
      storeHalf(out, -load<f32>(foundMins + 4 * block), 2);
      v128.store(out, v128.or(v128.load(codes), i8x16.shl(v128.load(codes, 16), 4)), 4);
    }
  }
}
