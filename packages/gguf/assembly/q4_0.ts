import { codes, fourBlocks, roundFourToExtreme, scales } from "./direct-rounding";
import { loadHalf, storeHalf } from "./half";
import { bytesOf15, bytesOf8, storeScaled } from "./lanes";
import { keepCodes, searchScale } from "./signed-search";
import { scales as found } from "./sub-block-lanes";
import { loadBlocks } from "./weighted-blocks";

/** Twin of src/types/q4_0.ts. */
export function dequantizeQ4_0(bytes: usize, blocks: i32, out: usize): void {
  const mask = bytesOf15();
  const zero = bytesOf8();
  for (const end = out + ((<usize>blocks) << 7); out < end; bytes += 18, out += 128) {
    const d = f32x4.splat(loadHalf(bytes));
    const qs = v128.load(bytes, 2);
    storeScaled(out, i8x16.sub(v128.and(qs, mask), zero), d);
    storeScaled(out + 64, i8x16.sub(v128.and(i16x8.shr_u(qs, 4), mask), zero), d);
  }
}

export function quantizeQ4_0(values: usize, blocks: i32, out: usize): void {
  for (; blocks > 0; blocks -= 4, values += 512) {
    roundFourToExtreme(fourBlocks(values, blocks), 8);
    const count = <usize>min(blocks, 4);
    for (let block: usize = 0; block < count; block++, out += 18) {
      store<u16>(out, load<u16>(scales + 4 * block));
      const low = v128.load(codes + 32 * block);
      const high = v128.load(codes + 32 * block, 16);
      v128.store(out, v128.or(low, i8x16.shl(high, 4)), 2);
    }
  }
}

export function quantizeWeightedQ4_0(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): void {
  for (; blocks > 0; blocks -= 4, values += 512, importance += 512) {
    const from = loadBlocks(values, blocks, importance, variance, 1);
    searchScale(1, 32, 8);
    const count = <usize>min(blocks, 4);
    for (let block: usize = 0; block < count; block++, out += 18) {
      keepCodes(from + 128 * block, 32, block, 8, codes);
      storeHalf(out, load<f32>(found + 4 * block));
      v128.store(out, v128.or(v128.load(codes), i8x16.shl(v128.load(codes, 16), 4)), 2);
    }
  }
}
