/**
 * Twin of src/types/iq/grid-fit.ts and signs.ts. Four candidate scales at a time, one in each lane: a lane adds up its own
 * sums in the codec's order. Long because its steps share the state of one sub-block.
 *
 * The codec's rounding wraps for numbers beyond 2^22. These kernels do not wrap, so functions that find such numbers, or
 * NaN, set `isUnusual`, and the codec does the block.
 */
import { FOURS_MAP, inverses, placeFour, scales } from "./fours";
import { EIGHTS_MAP, nearestOfEight } from "./nearest";

/** Which groups are placed again under the best scale. */
export const MISSING = 0;
export const ALL_IF_MISSING = 1;
export const ALL = 2;

/** The input of `fitEights` and `fitFours`, up to 32 weights, as in the codec. */
export const weights: usize = memory.data(128);
export const magnitudes: usize = memory.data(128);
const roots: usize = memory.data(128);

/** Weight × magnitude. */
const products: usize = memory.data(128);

/** A byte per eight weights. */
export const signs: usize = memory.data(4);

/**
 * The input of `nearestOfEight` for its units: two parts for each group of eight, Σ root and Σ root × magnitude², scaled.
 */
const unitParts: usize = memory.data(64);

/** The output: u16 codes of the groups. */
export const codes: usize = memory.data(16);

/** The codes of each group under each scale, 80 bytes a group; and a bit for each scale: whether the group was missing. */
const trialCodes: usize = memory.data(640);
const trialMissing: usize = memory.data(32);

/** By lane: indices to the map, units, sums. */
const indices: usize = memory.data(16);
const inverseUnits: usize = memory.data(16);
const sums: usize = memory.data(32);

/** Set where numbers are outside the range in which these kernels equal the codec. */
export let isUnusual: bool = false;

export function beginBlock(): void {
  isUnusual = false;
}

/** The largest |value| of the sub-block. */
let absMax: f32 = 0;

// prettier-ignore
const constants = memory.data<u32>([
  0x80000000, 0x80000000, 0x80000000, 0x80000000,
  0x4e800000, 0x4e800000, 0x4e800000, 0x4e800000, // 2^30
  1, 2, 4, 8,
  0, 0x3f800000, 0x40000000, 0x40400000, // 0 1 2 3
  0x40800000, 0x40800000, 0x40800000, 0x40800000, // 4
  0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000, // 1
  0x40000000, 0x40000000, 0x40000000, 0x40000000, // 2
]);

// prettier-ignore
const transposition = memory.data<u8>([0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]);

/** Part of Σ root × scale² that makes a unit, and part of Σ root × magnitude²; see nearest.ts. */
const UNIT_OF_SCALE: f32 = 0.004;
const UNIT_OF_VALUES: f32 = 1.0 / 65536.0;

/** 2^-120: a unit's inverse is finite. */
const LEAST_UNIT: f32 = 7.52316384526264e-37;

// @ts-ignore: decorator
@inline
function largest(four: v128): f32 {
  const two = f32x4.pmax(four, v128.shuffle<i64>(four, four, 1, 0));
  return max(f32x4.extract_lane(two, 0), f32x4.extract_lane(two, 1));
}

// @ts-ignore: decorator
@inline
function total(four: v128): f32 {
  const two = f32x4.add(four, v128.shuffle<i64>(four, four, 1, 0));
  return f32x4.extract_lane(two, 0) + f32x4.extract_lane(two, 1);
}

/**
 * Magnitudes, signs and roots of `count` values whose `weights` are already set; returns the largest magnitude. `even`:
 * twin of `splitEvenSigns`, else of `splitSigns`.
 */
// @ts-ignore: decorator
@inline
function split(from: usize, count: usize, even: bool): f32 {
  const signBit = v128.load(constants);
  const bound = v128.load(constants, 16);
  const bits = v128.load(constants, 32);
  const zero = f32x4.splat(0);
  let ordinary = i32x4.splat(-1);
  let max = f32x4.neg(bound);
  let farthest = zero;
  for (let at: usize = 0, group: usize = 0; group < count >> 3; group++, at += 32, from += 32) {
    const x0 = v128.load(from);
    const x1 = v128.load(from, 16);
    const w0 = v128.load(weights + at);
    const w1 = v128.load(weights + at, 16);
    const a0 = f32x4.abs(x0);
    const a1 = f32x4.abs(x1);
    farthest = f32x4.pmax(farthest, f32x4.pmax(a0, a1));
    ordinary = v128.and(ordinary, v128.and(f32x4.le(a0, bound), f32x4.le(a1, bound)));
    ordinary = v128.and(ordinary, v128.and(f32x4.le(w0, bound), f32x4.le(w1, bound)));
    ordinary = v128.and(ordinary, v128.and(f32x4.ge(w0, zero), f32x4.ge(w1, zero)));
    const negative0 = f32x4.lt(x0, zero);
    const negative1 = f32x4.lt(x1, zero);
    let byte = i32x4.bitmask(negative0) | (i32x4.bitmask(negative1) << 4);
    let m0 = v128.xor(x0, v128.and(negative0, signBit));
    let m1 = v128.xor(x1, v128.and(negative1, signBit));
    if (even) {
      if (popcnt(byte) & 1) {
        // the first of equal least costs
        const cost0 = f32x4.mul(f32x4.mul(w0, x0), x0);
        const cost1 = f32x4.mul(f32x4.mul(w1, x1), x1);
        let least = f32x4.pmin(cost0, cost1);
        least = f32x4.pmin(least, v128.shuffle<i64>(least, least, 1, 0));
        least = f32x4.pmin(least, v128.shuffle<i32>(least, least, 1, 0, 3, 2));
        const cheapest = i32x4.bitmask(f32x4.eq(cost0, least)) | (i32x4.bitmask(f32x4.eq(cost1, least)) << 4);
        const flip = cheapest & -cheapest;
        byte ^= flip;
        const flip0 = i32x4.eq(v128.and(i32x4.splat(flip), bits), bits);
        const flip1 = i32x4.eq(v128.and(i32x4.splat(flip >> 4), bits), bits);
        m0 = v128.xor(m0, v128.and(flip0, signBit));
        m1 = v128.xor(m1, v128.and(flip1, signBit));
      }
      byte &= 127;
    }
    store<u8>(signs + group, <u8>byte);
    max = f32x4.pmax(max, f32x4.pmax(m0, m1));
    const r0 = f32x4.sqrt(w0);
    const r1 = f32x4.sqrt(w1);
    v128.store(magnitudes + at, m0);
    v128.store(magnitudes + at, m1, 16);
    v128.store(roots + at, r0);
    v128.store(roots + at, r1, 16);
    v128.store(products + at, f32x4.mul(w0, m0));
    v128.store(products + at, f32x4.mul(w1, m1), 16);
    const squares = f32x4.add(f32x4.mul(f32x4.mul(r0, x0), x0), f32x4.mul(f32x4.mul(r1, x1), x1));
    store<f32>(unitParts + 8 * group, total(f32x4.add(r0, r1)) * UNIT_OF_SCALE);
    store<f32>(unitParts + 8 * group, total(squares) * UNIT_OF_VALUES + LEAST_UNIT, 4);
  }
  if (!i32x4.all_true(ordinary)) isUnusual = true;
  absMax = largest(farthest);
  return largest(max);
}

/** Weights for a search without an importance matrix: the squares of the values. */
export function squareWeights(from: usize, count: usize): void {
  for (let at: usize = 0; at < count << 2; at += 16) {
    const x = v128.load(from + at);
    v128.store(weights + at, f32x4.mul(x, x));
  }
}

export function splitSigns(from: usize, count: usize): f32 {
  return split(from, count, false);
}

export function splitEvenSigns(from: usize, count: usize): f32 {
  return split(from, count, true);
}

/** Another weight's level to the indices: value 1 up to 2, 3 below 4, where 5 begins. Ties go to even levels. */
// @ts-ignore: decorator
@inline
function withLevel(index: v128, scaled: v128): v128 {
  const isUpper = f32x4.ge(scaled, v128.load(constants, 64));
  const isNotLowest = f32x4.gt(scaled, v128.load(constants, 96));
  return i32x4.sub(i32x4.sub(i32x4.add(index, i32x4.shl(index, 1)), isNotLowest), isUpper);
}

/** Indices to the map of eight weights under four inverse scales. */
// @ts-ignore: decorator
@inline
function indexOfEight(from: usize, inverse: v128): v128 {
  let index = withLevel(i32x4.splat(0), f32x4.mul(inverse, v128.load32_splat(from, 28)));
  index = withLevel(index, f32x4.mul(inverse, v128.load32_splat(from, 24)));
  index = withLevel(index, f32x4.mul(inverse, v128.load32_splat(from, 20)));
  index = withLevel(index, f32x4.mul(inverse, v128.load32_splat(from, 16)));
  index = withLevel(index, f32x4.mul(inverse, v128.load32_splat(from, 12)));
  index = withLevel(index, f32x4.mul(inverse, v128.load32_splat(from, 8)));
  index = withLevel(index, f32x4.mul(inverse, v128.load32_splat(from, 4)));
  return withLevel(index, f32x4.mul(inverse, v128.load32_splat(from)));
}

/**
 * Codes of a group of eight under the first `count` scales, to `to`. Bit n of the result: what the
 * group rounds to under scale n is missing in the grid.
 */
// @ts-ignore: decorator
@inline
function placeEight(codebook: usize, group: usize, count: usize, to: usize): u32 {
  const at = group << 5;
  let missing: u32 = 0;
  for (let first: usize = 0; first < count; first += 4) {
    v128.store(indices, indexOfEight(magnitudes + at, v128.load(inverses + 4 * first)));
    const scale = v128.load(scales + 4 * first);
    const unit = f32x4.add(
      f32x4.mul(f32x4.mul(scale, scale), v128.load32_splat(unitParts + 8 * group)),
      v128.load32_splat(unitParts + 8 * group, 4),
    );
    v128.store(inverseUnits, f32x4.div(v128.load(constants, 80), unit));
    const lanes = min(4, count - first);
    for (let lane: usize = 0; lane < lanes; lane++) {
      let entry = load<i32>(codebook + (load<u32>(indices + 4 * lane) << 2));
      if (entry < 0) {
        missing |= 1 << <u32>(first + lane);
        const scale = load<f32>(scales + 4 * (first + lane));
        entry = nearestOfEight(
          codebook,
          entry,
          magnitudes + at,
          roots + at,
          scale,
          scale * 3,
          scale * 5,
          load<f32>(inverseUnits + 4 * lane),
        );
      }
      store<u16>(to + 2 * (first + lane), <u16>entry);
    }
  }
  return missing;
}

/** Codes of a group under the first `count` scales. */
// @ts-ignore: decorator
@inline
function place(eights: bool, codebook: usize, group: usize, count: usize, to: usize): u32 {
  return eights
    ? placeEight(codebook, group, count, to)
    : placeFour(codebook, magnitudes + 16 * group, roots + 16 * group, count, to);
}

/** The next four values of the groups of four lanes. */
// @ts-ignore: decorator
@inline
function gather(grid: usize, from: usize, stride: usize, shift: usize): v128 {
  let bytes = v128.load32_zero(grid + (<usize>load<u16>(from) << shift));
  bytes = v128.load32_lane(grid + (<usize>load<u16>(from + stride) << shift), bytes, 1);
  bytes = v128.load32_lane(grid + (<usize>load<u16>(from + 2 * stride) << shift), bytes, 2);
  bytes = v128.load32_lane(grid + (<usize>load<u16>(from + 3 * stride) << shift), bytes, 3);
  return i8x16.swizzle(bytes, v128.load(transposition));
}

// @ts-ignore: decorator
@inline
function addProducts(sum: v128, at: usize, q0: v128, q1: v128, q2: v128, q3: v128): v128 {
  sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(products + at), q0));
  sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(products + at, 4), q1));
  sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(products + at, 8), q2));
  return f32x4.add(sum, f32x4.mul(v128.load32_splat(products + at, 12), q3));
}

// @ts-ignore: decorator
@inline
function addSquares(sum: v128, at: usize, q0: v128, q1: v128, q2: v128, q3: v128): v128 {
  sum = f32x4.add(sum, f32x4.mul(f32x4.mul(v128.load32_splat(weights + at), q0), q0));
  sum = f32x4.add(sum, f32x4.mul(f32x4.mul(v128.load32_splat(weights + at, 4), q1), q1));
  sum = f32x4.add(sum, f32x4.mul(f32x4.mul(v128.load32_splat(weights + at, 8), q2), q2));
  return f32x4.add(sum, f32x4.mul(f32x4.mul(v128.load32_splat(weights + at, 12), q3), q3));
}

/** Σ weight × magnitude × value and Σ weight × value² to `sums`; the lanes' codes lie `stride` bytes apart, those of
 * groups `next` bytes. */
// @ts-ignore: decorator
@inline
function addUp(eights: bool, codebook: usize, groups: usize, from: usize, stride: usize, next: usize): void {
  let grid = codebook + (eights ? EIGHTS_MAP : FOURS_MAP);
  let qx = f32x4.splat(0);
  let qq = qx;
  for (let at: usize = 0, end = groups << (eights ? 5 : 4); at < end; at += 16) {
    const bytes = gather(grid, from, stride, eights ? 3 : 2);
    const low = i16x8.extend_low_i8x16_u(bytes);
    const high = i16x8.extend_high_i8x16_u(bytes);
    const q0 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low));
    const q1 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low));
    const q2 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high));
    const q3 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high));
    qx = addProducts(qx, at, q0, q1, q2, q3);
    qq = addSquares(qq, at, q0, q1, q2, q3);
    if (eights) {
      grid ^= 4;
      if ((at & 16) != 0) from += next;
    } else from += next;
  }
  v128.store(sums, qx);
  v128.store(sums, qq, 16);
}

/** Whether rounding values divided by this stays within 2^20. */
// @ts-ignore: decorator
@inline
function isOrdinary(scale: f32): bool {
  return scale * <f32>65536 > absMax && scale > <f32>1e-30;
}

// @ts-ignore: decorator
@inline
function fit(
  eights: bool,
  codebook: usize,
  groups: usize,
  stepCount: i32,
  stepSize: f32,
  refit: i32,
  reach: f32,
  firstScale: f32,
): f32 {
  v128.store(codes, i32x4.splat(0));
  if (!isOrdinary(reach)) {
    isUnusual = true;
    return firstScale;
  }
  const count = <usize>(2 * stepCount + 1);
  for (let first: usize = 0; first < count; first += 4) {
    const step = f32x4.add(f32x4.splat(<f32>(<i32>first - stepCount)), v128.load(constants, 48));
    const top = f32x4.add(f32x4.splat(eights ? 5 : 15), f32x4.mul(step, f32x4.splat(stepSize)));
    const inverse = f32x4.div(top, f32x4.splat(reach));
    v128.store(inverses + 4 * first, inverse);
    v128.store(scales + 4 * first, f32x4.div(v128.load(constants, 80), inverse));
  }
  for (let group: usize = 0; group < groups; group++) {
    store<u32>(trialMissing + 4 * group, place(eights, codebook, group, count, trialCodes + 80 * group));
  }
  let scale = firstScale;
  let best: f32 = 0;
  let bestTrial: usize = count;
  for (let first: usize = 0; first < count; first += 4) {
    addUp(eights, codebook, groups, trialCodes + 2 * first, 2, 80);
    for (let trial = first, at = sums, end = min(first + 4, count); trial < end; trial++, at += 4) {
      const sumQx = load<f32>(at);
      const sumQ2 = load<f32>(at, 16);
      if (sumQ2 > 0 && sumQx * sumQx > best * sumQ2) {
        scale = sumQx / sumQ2;
        best = scale * sumQx;
        bestTrial = trial;
      }
    }
  }
  let missing: u32 = refit == ALL_IF_MISSING ? ~0 : 0;
  if (bestTrial < count) {
    missing = 0;
    for (let group: usize = 0; group < groups; group++) {
      store<u16>(codes + 2 * group, load<u16>(trialCodes + 80 * group + 2 * bestTrial));
      missing |= ((load<u32>(trialMissing + 4 * group) >> <u32>bestTrial) & 1) << <u32>group;
    }
  }
  if (!(scale > 0) || (missing == 0 && refit != ALL)) return scale;
  if (!isOrdinary(scale)) {
    isUnusual = true;
    return scale;
  }
  store<f32>(inverses, <f32>1 / scale);
  store<f32>(scales, scale);
  for (let group: usize = 0; group < groups; group++) {
    if (refit == MISSING && ((missing >> <u32>group) & 1) == 0) continue;
    place(eights, codebook, group, 1, trialCodes);
    store<u16>(codes + 2 * group, load<u16>(trialCodes));
  }
  addUp(eights, codebook, groups, codes, 0, 2);
  const sumQ2 = load<f32>(sums, 16);
  return sumQ2 > 0 ? load<f32>(sums) / sumQ2 : scale;
}

/** Twin of `fitScale` for groups of eight at three levels; the codes go to `codes`. */
export function fitEights(
  codebook: usize,
  groups: usize,
  stepCount: i32,
  refit: i32,
  reach: f32,
  firstScale: f32,
): f32 {
  return fit(true, codebook, groups, stepCount, 0.1, refit, reach, firstScale);
}

/** The same for groups of four at eight levels. */
export function fitFours(codebook: usize, stepCount: i32, refit: i32, reach: f32, firstScale: f32): f32 {
  return fit(false, codebook, 8, stepCount, 0.2, refit, reach, firstScale);
}

/** The codec's `scaleCode`. */
export function scaleCode(inverse: f32, scale: f32): u32 {
  const code = (reinterpret<i32>(<f32>0.5 * (inverse * scale - 1) + <f32>12582912) & 0x7fffff) - 0x400000;
  return <u32>max(0, min(15, code));
}
