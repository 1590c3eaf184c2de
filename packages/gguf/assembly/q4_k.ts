import { codes, encodeBlock, loadSteps, searchBlocks, steps } from "./affine-super-block";
import { bytesOf15, storeScaledMinus } from "./lanes";

/** Twin of src/types/q4_k.ts. */
export function dequantizeQ4_K(bytes: usize, blocks: i32, out: usize): void {
  const mask = bytesOf15();
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 144) {
    loadSteps(bytes);
    for (let g: usize = 0; g < 4; g++, out += 256) {
      const d0 = v128.load32_splat(steps + 8 * g);
      const m0 = v128.load32_splat(steps + 8 * g, 32);
      const d1 = v128.load32_splat(steps + 8 * g, 4);
      const m1 = v128.load32_splat(steps + 8 * g, 36);
      const a = v128.load(bytes + 32 * g, 16);
      const b = v128.load(bytes + 32 * g, 32);
      storeScaledMinus(out, v128.and(a, mask), d0, m0);
      storeScaledMinus(out + 64, v128.and(b, mask), d0, m0);
      storeScaledMinus(out + 128, v128.and(i16x8.shr_u(a, 4), mask), d1, m1);
      storeScaledMinus(out + 192, v128.and(i16x8.shr_u(b, 4), mask), d1, m1);
    }
  }
}

export function quantizeQ4_K(values: usize, blocks: i32, out: usize): void {
  quantizeBlocks(values, blocks, out, 0);
}

export function quantizeWeightedQ4_K(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): void {
  quantizeBlocks(values, blocks, out, importance);
}

function quantizeBlocks(values: usize, blocks: i32, out: usize, importance: usize): void {
  const isWeighted = importance != 0;
  for (; blocks > 0; blocks -= 2) {
    const count = <usize>min(blocks, 2);
    searchBlocks(values, count, 15, -1, 20, importance);
    for (let index: usize = 0; index < count; index++, values += 1024, out += 144) {
      encodeBlock(values, index, 15, isWeighted, out);
      packCodes(out);
    }
    if (isWeighted) importance += 2048;
  }
}

// @ts-ignore: decorator
@inline
function packCodes(out: usize): void {
  for (let g: usize = 0; g < 4; g++) {
    const from = codes + 64 * g;
    const to = out + 32 * g;
    v128.store(to, v128.or(v128.load(from), i8x16.shl(v128.load(from, 32), 4)), 16);
    v128.store(to, v128.or(v128.load(from, 16), i8x16.shl(v128.load(from, 48), 4)), 32);
  }
}
