import { loadHalf, storeHalf } from "./half";
import { searchPositiveScale } from "./positive-search";
import { keepCodes, mins, searchScaleAndMin, unsignedCodes, weightSums } from "./scale-search";
import {
  addSquares,
  GROUP,
  importanceWeights,
  nearestInt,
  scales,
  transpose,
  values,
  weights,
} from "./sub-block-lanes";

/** Scales × d of the eight sub-blocks, then mins × dmin. */
export const steps: usize = memory.data(64);

/** The 256 codes of a block. */
export const codes: usize = memory.data(256);

const scaleCodes: usize = memory.data(8);
const minCodes: usize = memory.data(8);
const untransposedWeights: usize = memory.data(1024);

// @ts-ignore: decorator
@inline
function fourSixBitCodes(packed: u32): v128 {
  const bytes = i32x4.splat(packed);
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes)));
}

/** Fills `steps` from the first 16 bytes of a block, which src/types/affine-super-block.ts pictures. */
// @ts-ignore: decorator
@inline
export function loadSteps(block: usize): void {
  const d = f32x4.splat(loadHalf(block));
  const dmin = f32x4.splat(loadHalf(block, 2));
  const a = load<u32>(block, 4);
  const b = load<u32>(block, 8);
  const c = load<u32>(block, 12);
  v128.store(steps, f32x4.mul(d, fourSixBitCodes(a & 0x3f3f3f3f)));
  v128.store(steps, f32x4.mul(d, fourSixBitCodes((c & 0x0f0f0f0f) | ((a >> 2) & 0x30303030))), 16);
  v128.store(steps, f32x4.mul(dmin, fourSixBitCodes(b & 0x3f3f3f3f)), 32);
  v128.store(steps, f32x4.mul(dmin, fourSixBitCodes(((c >> 4) & 0x0f0f0f0f) | ((b >> 2) & 0x30303030))), 48);
}

/**
 * The first half of the twin of `quantizeAffineSuperBlock`: scales and mins of the sub-blocks of one block or of two
 * blocks, which alternate in the search. `importance` is 0 where there is none.
 */
export function searchBlocks(
  from: usize,
  blocks: usize,
  maxCode: i32,
  firstStep: f32,
  stepCount: i32,
  importance: usize,
): void {
  const groups = blocks << 1;
  transpose(from, 32, groups, values);
  if (importance == 0) {
    for (let group: usize = 0; group < groups; group++) weighByMagnitude(GROUP * group);
    searchScaleAndMin(groups, 32, <f32>maxCode, firstStep, 0.1, stepCount);
    return;
  }
  for (let block: usize = 0; block < blocks; block++) {
    const at = 1024 * block;
    const variance: f32 = (<f32>2 * addSquares(from + at, 256, 0)) / 256;
    importanceWeights(from + at, 256, variance, importance + at, untransposedWeights);
    transpose(untransposedWeights, 32, 2, weights + 2 * GROUP * block);
  }
  searchScaleAndMin(groups, 32, <f32>maxCode, -0.9, 0.05, 36);
}

/** The weights of a group without importance: |x| and the root of the mean square. */
function weighByMagnitude(group: usize): void {
  const from = values + group;
  let square = f32x4.splat(0);
  for (let at: usize = 0; at < 512; at += 16) {
    const x = v128.load(from + at);
    square = f32x4.add(square, f32x4.mul(x, x));
  }
  const rms = f32x4.sqrt(f32x4.div(square, f32x4.splat(32)));
  const to = weights + group;
  for (let at: usize = 0; at < 512; at += 16) {
    v128.store(to + at, f32x4.add(rms, f32x4.abs(v128.load(from + at))));
  }
}

/** The other half, for block `index` of the search: the first 16 bytes of the block at `out`, and its codes. */
export function encodeBlock(from: usize, index: usize, maxCode: i32, isWeighted: bool, out: usize): void {
  const first = index << 3;
  if (isWeighted) roundParametersBySearch(first << 2, out);
  else roundParameters(first << 2, out);
  const s0 = load<u32>(scaleCodes);
  const s1 = load<u32>(scaleCodes, 4);
  const m0 = load<u32>(minCodes);
  const m1 = load<u32>(minCodes, 4);
  store<u32>(out, s0 | ((s1 & 0x30303030) << 2), 4);
  store<u32>(out, m0 | ((m1 & 0x30303030) << 2), 8);
  store<u32>(out, (s1 & 0x0f0f0f0f) | ((m1 & 0x0f0f0f0f) << 4), 12);
  loadSteps(out);
  for (let j: usize = 0; j < 8; j++, from += 128) {
    const step = load<f32>(steps + 4 * j);
    const to = codes + 32 * j;
    // A scale of zero keeps the codes of the search, as ggml does.
    if (step == 0) {
      keepCodes(from, 32, first + j, maxCode, to);
      continue;
    }
    const dl = f32x4.splat(step);
    const ml = v128.load32_splat(steps + 4 * j, 32);
    for (let half: usize = 0; half < 32; half += 16) {
      const x = from + 4 * half;
      const a = f32x4.div(f32x4.add(v128.load(x), ml), dl);
      const b = f32x4.div(f32x4.add(v128.load(x, 16), ml), dl);
      const c = f32x4.div(f32x4.add(v128.load(x, 32), ml), dl);
      const d = f32x4.div(f32x4.add(v128.load(x, 48), ml), dl);
      v128.store(to + half, unsignedCodes(a, b, c, d, maxCode));
    }
  }
}

/** d, dmin and six-bit codes of the scales and mins that are `at` bytes behind the search's first ones. */
function roundParameters(at: usize, out: usize): void {
  let maxScale: f32 = 0;
  let maxMin: f32 = 0;
  for (let j: usize = 0; j < 32; j += 4) {
    const scale = load<f32>(scales + at + j);
    const min = load<f32>(mins + at + j);
    if (scale > maxScale) maxScale = scale;
    if (min > maxMin) maxMin = min;
  }
  const inverseScale: f32 = maxScale > 0 ? <f32>63 / maxScale : 0;
  const inverseMin: f32 = maxMin > 0 ? <f32>63 / maxMin : 0;
  for (let j: usize = 0; j < 8; j++) {
    // First to a byte, then the limit, as ggml does with values that wrap.
    store<u8>(scaleCodes + j, <u8>min(63, nearestInt(inverseScale * load<f32>(scales + at + 4 * j)) & 255));
    store<u8>(minCodes + j, <u8>min(63, nearestInt(inverseMin * load<f32>(mins + at + 4 * j)) & 255));
  }
  storeHalf(out, maxScale / 63);
  storeHalf(out, maxMin / 63, 2);
}

/** The same with an importance matrix. */
function roundParametersBySearch(at: usize, out: usize): void {
  const sums = weightSums + at;
  storeHalf(out, searchPositiveScale(scales + at, 8, 63, sums, scaleCodes));
  storeHalf(out, searchPositiveScale(mins + at, 8, 63, sums, minCodes), 2);
}
