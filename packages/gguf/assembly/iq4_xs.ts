import { loadHalf, storeHalf } from "./half";
import { nonlinearValues, packNonlinear, searchNonlinearScale } from "./iq/nonlinear";
import { bytesOf15, storeScaled } from "./lanes";
import {
  addSquares,
  GROUP,
  importanceWeights,
  nearestInt,
  scales,
  transpose,
  values as transposed,
  WEIGHTS,
  weights,
} from "./sub-block-lanes";

/** Twin of src/types/iq4_xs.ts. */
export function dequantizeIQ4_XS(bytes: usize, blocks: i32, out: usize): void {
  const mask = bytesOf15();
  const table = nonlinearValues();
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 136) {
    const d = loadHalf(bytes);
    let high = <u32>load<u16>(bytes, 2);
    let low = load<u32>(bytes, 4);
    for (let sub: usize = 0; sub < 128; sub += 16, out += 128) {
      const scale = f32x4.splat(d * <f32>(<i32>((low & 15) | ((high & 3) << 4)) - 32));
      const qs = v128.load(bytes + sub, 8);
      storeScaled(out, i8x16.swizzle(table, v128.and(qs, mask)), scale);
      storeScaled(out + 64, i8x16.swizzle(table, v128.and(i16x8.shr_u(qs, 4), mask)), scale);
      low >>= 4;
      high >>= 2;
    }
  }
}

const untransposedWeights: usize = memory.data(1024);

export function quantizeIQ4_XS(values: usize, blocks: i32, out: usize): void {
  for (; blocks > 0; blocks--, values += 1024, out += 136) {
    transpose(values, 32, 2, transposed);
    for (let at: usize = transposed; at < transposed + 2 * GROUP; at += 16) {
      const x = v128.load(at);
      v128.store(at, f32x4.mul(x, x), WEIGHTS);
    }
    quantizeBlock(values, out);
  }
}

export function quantizeWeightedIQ4_XS(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): void {
  for (; blocks > 0; blocks--, values += 1024, importance += 1024, out += 136) {
    transpose(values, 32, 2, transposed);
    const variance: f32 = (<f32>2 * addSquares(values, 256, 0)) / 256;
    importanceWeights(values, 256, variance, importance, untransposedWeights);
    transpose(untransposedWeights, 32, 2, weights);
    quantizeBlock(values, out);
  }
}

function quantizeBlock(values: usize, out: usize): void {
  searchNonlinearScale(2);
  let maxScale: f32 = 0;
  let absMax: f32 = 0;
  for (let sub: usize = 0; sub < 8; sub++) {
    const scale = load<f32>(scales + 4 * sub);
    const magnitude = abs(scale);
    if (magnitude > absMax) {
      absMax = magnitude;
      maxScale = scale;
    }
  }
  const d: f32 = -maxScale / 32;
  storeHalf(out, d);
  const inverse: f32 = d != 0 ? <f32>1 / d : 0;
  let low: u32 = 0;
  let high: u32 = 0;
  for (let sub: usize = 0; sub < 8; sub++, values += 128) {
    const code = max(-32, min(31, nearestInt(inverse * load<f32>(scales + 4 * sub))));
    const scale: f32 = d * <f32>code;
    packNonlinear(values, scale != 0 ? <f32>1 / scale : 0, out + 16 * sub + 8);
    low |= ((code + 32) & 15) << (4 * <i32>sub);
    high |= ((code + 32) >> 4) << (2 * <i32>sub);
  }
  store<u16>(out, <u16>high, 2);
  store<u32>(out, low, 4);
}
