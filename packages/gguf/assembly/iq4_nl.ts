import { loadHalf, storeHalf } from "./half";
import { nonlinearValues, packNonlinear, searchNonlinearScale } from "./iq/nonlinear";
import { bytesOf15, storeScaled } from "./lanes";
import { GROUP, scales, transpose, values as transposed, WEIGHTS } from "./sub-block-lanes";

/** Twin of src/types/iq4_nl.ts. */
export function dequantizeIQ4_NL(bytes: usize, blocks: i32, out: usize): void {
  const mask = bytesOf15();
  const table = nonlinearValues();
  for (const end = out + ((<usize>blocks) << 7); out < end; bytes += 18, out += 128) {
    const d = f32x4.splat(loadHalf(bytes));
    const qs = v128.load(bytes, 2);
    storeScaled(out, i8x16.swizzle(table, v128.and(qs, mask)), d);
    storeScaled(out + 64, i8x16.swizzle(table, v128.and(i16x8.shr_u(qs, 4), mask)), d);
  }
}

const paddedValues: usize = memory.data(2048);
const paddedImportance: usize = memory.data(2048);
const importances: usize = memory.data(2048);

export function quantizeIQ4_NL(values: usize, blocks: i32, out: usize): void {
  quantizeWeightedIQ4_NL(values, blocks, out, 0, 0);
}

/** Up to 16 blocks at a time, one to a lane; lanes without a block are all zero. */
export function quantizeWeightedIQ4_NL(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): void {
  for (; blocks > 0; blocks -= 16, values += 2048) {
    const count = <usize>min(blocks, 16);
    const groups = (count + 3) >> 2;
    let from = values;
    if (count & 3) {
      from = paddedValues;
      memory.fill(paddedValues, 0, 2048);
      memory.copy(paddedValues, values, count << 7);
    }
    transpose(from, 32, groups, transposed);
    if (importance == 0) {
      for (let at: usize = transposed; at < transposed + groups * GROUP; at += 16) {
        const x = v128.load(at);
        v128.store(at, f32x4.mul(x, x), WEIGHTS);
      }
    } else {
      let weighting = importance;
      if (count & 3) {
        weighting = paddedImportance;
        memory.fill(paddedImportance, 0, 2048);
        memory.copy(paddedImportance, importance, count << 7);
      }
      transpose(weighting, 32, groups, importances);
      for (let group: usize = 0; group < groups; group++) weigh(group * GROUP);
      importance += 2048;
    }
    searchNonlinearScale(groups);
    for (let block: usize = 0; block < count; block++, out += 18, from += 128) {
      const scale = load<f32>(scales + 4 * block);
      storeHalf(out, scale);
      packNonlinear(from, scale != 0 ? <f32>1 / scale : 0, out + 2);
    }
  }
}

/** Importance × √(variance + value²), each block with its own variance. */
function weigh(group: usize): void {
  let square = f32x4.splat(0);
  for (let at: usize = group; at < group + 512; at += 16) {
    const x = v128.load(transposed + at);
    square = f32x4.add(square, f32x4.mul(x, x));
  }
  const variance = f32x4.div(f32x4.mul(f32x4.splat(2), square), f32x4.splat(32));
  for (let at: usize = group; at < group + 512; at += 16) {
    const x = v128.load(transposed + at);
    const root = f32x4.sqrt(f32x4.add(variance, f32x4.mul(x, x)));
    v128.store(transposed + at, f32x4.mul(v128.load(importances + at), root), WEIGHTS);
  }
}
