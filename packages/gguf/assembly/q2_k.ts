import { loadHalf, storeHalf } from "./half";
import { bytesOf3, storeScaledMinus } from "./lanes";
import { searchPositiveScale } from "./positive-search";
import {
  keepCodes,
  mins,
  searchScaleAndMin,
  searchScaleAndMinByMagnitude,
  unsignedCodes,
  weightSums,
} from "./scale-search";
import {
  addSquares,
  GROUP,
  importanceWeights,
  nearestInt,
  scales,
  transpose,
  values as transposed,
  weights,
} from "./sub-block-lanes";
import { packTwoBitPlanes } from "./two-bit-planes";

/** Scales × d of the 16 sub-blocks, then mins × dmin. */
const steps: usize = memory.data(128);

// @ts-ignore: decorator
@inline
function fourNibbles(packed: u32): v128 {
  const bytes = i32x4.splat(packed & 0x0f0f0f0f);
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes)));
}

/** Fills `steps` from a block. */
// @ts-ignore: decorator
@inline
function loadSteps(block: usize): void {
  const d = f32x4.splat(loadHalf(block, 80));
  const dmin = f32x4.splat(loadHalf(block, 82));
  for (let i: usize = 0; i < 16; i += 4) {
    const packed = load<u32>(block + i);
    v128.store(steps + 4 * i, f32x4.mul(d, fourNibbles(packed)));
    v128.store(steps + 4 * i, f32x4.mul(dmin, fourNibbles(packed >> 4)), 64);
  }
}

/** Twin of src/types/q2_k.ts. */
export function dequantizeQ2_K(bytes: usize, blocks: i32, out: usize): void {
  const mask = bytesOf3();
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 84) {
    loadSteps(bytes);
    // 16 bytes of qs at a time: two for each half of the block
    for (let part: usize = 0; part < 4; part++) {
      const half = part >> 1;
      const column = (part & 1) << 4;
      const qs = v128.load(bytes + 16 * part, 16);
      const step = steps + 32 * half + 4 * (part & 1);
      const to = out + 512 * half + 4 * column;
      const q1 = v128.and(i16x8.shr_u(qs, 2), mask);
      const q2 = v128.and(i16x8.shr_u(qs, 4), mask);
      const q3 = v128.and(i16x8.shr_u(qs, 6), mask);
      storeScaledMinus(to, v128.and(qs, mask), v128.load32_splat(step), v128.load32_splat(step, 64));
      storeScaledMinus(to + 128, q1, v128.load32_splat(step, 8), v128.load32_splat(step, 72));
      storeScaledMinus(to + 256, q2, v128.load32_splat(step, 16), v128.load32_splat(step, 80));
      storeScaledMinus(to + 384, q3, v128.load32_splat(step, 24), v128.load32_splat(step, 88));
    }
    out += 1024;
  }
}

export function quantizeQ2_K(values: usize, blocks: i32, out: usize): void {
  for (; blocks > 0; blocks--, values += 1024, out += 84) {
    transpose(values, 16, 4, transposed);
    chooseScales(out);
    finish(values, out);
  }
}

export function quantizeWeightedQ2_K(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): void {
  for (; blocks > 0; blocks--, values += 1024, importance += 1024, out += 84) {
    transpose(values, 16, 4, transposed);
    const variance: f32 = addSquares(values, 256, 0) / 256;
    importanceWeights(values, 256, variance, importance, untransposedWeights);
    transpose(untransposedWeights, 16, 4, weights);
    searchScaleAndMin(4, 16, 3, -0.9, 0.05, 36);
    storeHalf(out, searchPositiveScale(scales, 16, 15, weightSums, scaleCodes), 80);
    storeHalf(out, searchPositiveScale(mins, 16, 15, weightSums, minCodes), 82);
    v128.store(out, v128.or(v128.load(scaleCodes), i8x16.shl(v128.load(minCodes), 4)));
    finish(values, out);
  }
}

const untransposedWeights: usize = memory.data(1024);
const scaleCodes: usize = memory.data(16);
const minCodes: usize = memory.data(16);
const codes: usize = memory.data(256);

function chooseScales(out: usize): void {
  for (let group: usize = 0; group < 4; group++) {
    for (let at: usize = group * GROUP; at < group * GROUP + 256; at += 16) {
      v128.store(weights + at, f32x4.abs(v128.load(transposed + at)));
    }
  }
  searchScaleAndMinByMagnitude(4, 16, 3, -0.5, 0.1, 15);
  let maxScale: f32 = 0;
  let maxMin: f32 = 0;
  for (let j: usize = 0; j < 16; j++) {
    const scale = load<f32>(scales + 4 * j);
    const min = load<f32>(mins + 4 * j);
    if (scale > maxScale) maxScale = scale;
    if (min > maxMin) maxMin = min;
  }
  const inverseScale: f32 = maxScale > 0 ? <f32>15 / maxScale : 0;
  const inverseMin: f32 = maxMin > 0 ? <f32>15 / maxMin : 0;
  for (let j: usize = 0; j < 16; j++) {
    const scaleCode = maxScale > 0 ? nearestInt(inverseScale * load<f32>(scales + 4 * j)) : 0;
    const minCode = maxMin > 0 ? nearestInt(inverseMin * load<f32>(mins + 4 * j)) : 0;
    store<u8>(out + j, <u8>(scaleCode | (minCode << 4)));
  }
  storeHalf(out, maxScale > 0 ? maxScale / 15 : 0, 80);
  storeHalf(out, maxMin > 0 ? maxMin / 15 : 0, 82);
}

/** The codes under the stored scales and mins. */
function finish(values: usize, out: usize): void {
  loadSteps(out);
  for (let j: usize = 0; j < 16; j++, values += 64) {
    const step = load<f32>(steps + 4 * j);
    // A scale of zero keeps the codes of the search, as ggml does.
    if (step == 0) {
      keepCodes(values, 16, j, 3, codes + 16 * j);
      continue;
    }
    const dl = f32x4.splat(step);
    const ml = v128.load32_splat(steps + 4 * j, 64);
    const a = f32x4.div(f32x4.add(v128.load(values), ml), dl);
    const b = f32x4.div(f32x4.add(v128.load(values, 16), ml), dl);
    const c = f32x4.div(f32x4.add(v128.load(values, 32), ml), dl);
    const d = f32x4.div(f32x4.add(v128.load(values, 48), ml), dl);
    v128.store(codes + 16 * j, unsignedCodes(a, b, c, d, 3));
  }
  packTwoBitPlanes(codes, out + 16);
}
