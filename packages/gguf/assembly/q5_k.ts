import { codes, encodeBlock, loadSteps, searchBlocks, steps } from "./affine-super-block";
import { bytesOf15, bytesOf16, storeScaledMinus } from "./lanes";

/** Twin of src/types/q5_k.ts. */
export function dequantizeQ5_K(bytes: usize, blocks: i32, out: usize): void {
  const mask = bytesOf15();
  const fifth = bytesOf16();
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 176) {
    loadSteps(bytes);
    let highA = v128.load(bytes, 16);
    let highB = v128.load(bytes, 32);
    for (let g: usize = 0; g < 4; g++, out += 256) {
      const d0 = v128.load32_splat(steps + 8 * g);
      const m0 = v128.load32_splat(steps + 8 * g, 32);
      const d1 = v128.load32_splat(steps + 8 * g, 4);
      const m1 = v128.load32_splat(steps + 8 * g, 36);
      const a = v128.load(bytes + 32 * g, 48);
      const b = v128.load(bytes + 32 * g, 64);
      const a0 = v128.or(v128.and(a, mask), v128.and(i16x8.shl(highA, 4), fifth));
      const b0 = v128.or(v128.and(b, mask), v128.and(i16x8.shl(highB, 4), fifth));
      const a1 = v128.or(v128.and(i16x8.shr_u(a, 4), mask), v128.and(i16x8.shl(highA, 3), fifth));
      const b1 = v128.or(v128.and(i16x8.shr_u(b, 4), mask), v128.and(i16x8.shl(highB, 3), fifth));
      storeScaledMinus(out, a0, d0, m0);
      storeScaledMinus(out + 64, b0, d0, m0);
      storeScaledMinus(out + 128, a1, d1, m1);
      storeScaledMinus(out + 192, b1, d1, m1);
      highA = i16x8.shr_u(highA, 2);
      highB = i16x8.shr_u(highB, 2);
    }
  }
}

export function quantizeQ5_K(values: usize, blocks: i32, out: usize): void {
  quantizeBlocks(values, blocks, out, 0);
}

export function quantizeWeightedQ5_K(
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
    searchBlocks(values, count, 31, -0.5, 15, importance);
    for (let index: usize = 0; index < count; index++, values += 1024, out += 176) {
      encodeBlock(values, index, 31, isWeighted, out);
      packCodes(out);
    }
    if (isWeighted) importance += 2048;
  }
}

// @ts-ignore: decorator
@inline
function packCodes(out: usize): void {
  const mask = bytesOf15();
  const fifth = bytesOf16();
  for (let column: usize = 0; column < 32; column += 16) {
    let high = i8x16.splat(0);
    for (let g: usize = 0; g < 4; g++) {
      const a = v128.load(codes + 64 * g + column);
      const b = v128.load(codes + 64 * g + column, 32);
      // bit 4 of both to the top, earlier ones move down
      const a4 = i16x8.shl(v128.and(a, fifth), 2);
      const b4 = i16x8.shl(v128.and(b, fifth), 3);
      high = v128.or(i16x8.shr_u(high, 2), v128.or(a4, b4));
      v128.store(out + 32 * g + column, v128.or(v128.and(a, mask), i8x16.shl(b, 4)), 48);
    }
    v128.store(out + column, high, 16);
  }
}
