/**
 * Twins of `searchScale` and `searchScaleByCode` in src/types/scale-search.ts, on groups of four sub-blocks.
 */
import { CODES, GROUP, inverses, nearestInts, scales, splat, splatInt, values, WEIGHTS } from "./sub-block-lanes";

/** All ones where a sub-block is almost zero: its codes are 0, not `limit`. */
export const flats: usize = memory.data(64);

// prettier-ignore
const constants = memory.data<u32>([
  0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000, // infinity
  0x26901d7d, 0x26901d7d, 0x26901d7d, 0x26901d7d, // 1e-15
  0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff,
]);

/** The first of the values with the largest magnitude in each lane, and that magnitude. */
const extremes: usize = memory.data(32);

function firstExtremes(from: usize, size: usize): void {
  let max = f32x4.splat(0);
  let absMax = max;
  for (const end = from + size; from < end; from += 16) {
    const x = v128.load(from);
    const magnitude = f32x4.abs(x);
    const larger = f32x4.gt(magnitude, absMax);
    max = v128.bitselect(x, max, larger);
    absMax = v128.bitselect(magnitude, absMax, larger);
  }
  v128.store(extremes, max);
  v128.store(extremes, absMax, 16);
}

/**
 * Candidates are tried four at a time, each in 16 bytes: their inverses; and for each the sum of weight × value × code
 * and, 64 bytes further, that of weight × code².
 */
const CANDIDATES: usize = 64;
const candidates: usize = memory.data(64);
const sums: usize = memory.data(128);

/**
 * The numerators that are divided by the extreme value: −limit, then −limit in 18 steps higher and lower, and the last
 * again.
 */
const numerators: usize = memory.data(80);

function setNumerators(limit: f32): void {
  store<f32>(numerators, -limit);
  for (let i = 1; i < 20; i++) {
    const step = min(9, i < 10 ? i - 10 : i - 9);
    store<f32>(numerators + 4 * <usize>i, -(limit + <f32>0.1 * <f32>step));
  }
}

/** The limits that the codes of candidates need: none, the lower limit, or both. */
const FREE = 0;
const FROM_BELOW = 1;
const BOUNDED = 2;

const limits: usize = memory.data(32);

// @ts-ignore: decorator
@inline
function codeOf(x: v128, candidate: usize, bounds: i32): v128 {
  const nearest = f32x4.nearest(f32x4.mul(v128.load(candidates + candidate), x));
  if (bounds == FREE) return nearest;
  const code = f32x4.pmax(nearest, v128.load(limits));
  return bounds == FROM_BELOW ? code : f32x4.pmin(code, v128.load(limits, 16));
}

/** The sums of four candidates. The weighted values are where codes would be. */
// @ts-ignore: decorator
@inline
function addUp(from: usize, size: usize, bounds: i32): void {
  let x0 = f32x4.splat(0);
  let x1 = x0;
  let x2 = x0;
  let x3 = x0;
  let l0 = x0;
  let l1 = x0;
  let l2 = x0;
  let l3 = x0;
  for (const end = from + size; from < end; from += 16) {
    const x = v128.load(from);
    const w = v128.load(from, WEIGHTS);
    const wx = v128.load(from, CODES);
    const c0 = codeOf(x, 0, bounds);
    x0 = f32x4.add(x0, f32x4.mul(wx, c0));
    l0 = f32x4.add(l0, f32x4.mul(f32x4.mul(w, c0), c0));
    const c1 = codeOf(x, 16, bounds);
    x1 = f32x4.add(x1, f32x4.mul(wx, c1));
    l1 = f32x4.add(l1, f32x4.mul(f32x4.mul(w, c1), c1));
    const c2 = codeOf(x, 32, bounds);
    x2 = f32x4.add(x2, f32x4.mul(wx, c2));
    l2 = f32x4.add(l2, f32x4.mul(f32x4.mul(w, c2), c2));
    const c3 = codeOf(x, 48, bounds);
    x3 = f32x4.add(x3, f32x4.mul(wx, c3));
    l3 = f32x4.add(l3, f32x4.mul(f32x4.mul(w, c3), c3));
  }
  v128.store(sums, x0);
  v128.store(sums, x1, 16);
  v128.store(sums, x2, 32);
  v128.store(sums, x3, 48);
  v128.store(sums, l0, CANDIDATES);
  v128.store(sums, l1, CANDIDATES + 16);
  v128.store(sums, l2, CANDIDATES + 32);
  v128.store(sums, l3, CANDIDATES + 48);
}

function freeSums(from: usize, size: usize): void {
  addUp(from, size, FREE);
}

function sumsFromBelow(from: usize, size: usize): void {
  addUp(from, size, FROM_BELOW);
}

function boundedSums(from: usize, size: usize): void {
  addUp(from, size, BOUNDED);
}

/** The same where values may be infinite or NaN. */
function exactSums(from: usize, size: usize, limit: f32, candidate: usize): void {
  const inverse = v128.load(candidates + candidate);
  const lowest = i32x4.splat(-(<i32>limit));
  const highest = i32x4.splat(<i32>limit - 1);
  let sumX = f32x4.splat(0);
  let sumL = sumX;
  for (const end = from + size; from < end; from += 16) {
    const integer = nearestInts(f32x4.mul(inverse, v128.load(from)));
    const code = f32x4.convert_i32x4_s(i32x4.min_s(i32x4.max_s(integer, lowest), highest));
    sumX = f32x4.add(sumX, f32x4.mul(v128.load(from, CODES), code));
    sumL = f32x4.add(sumL, f32x4.mul(f32x4.mul(v128.load(from, WEIGHTS), code), code));
  }
  v128.store(sums + candidate, sumX);
  v128.store(sums + candidate, sumL, CANDIDATES);
}

/**
 * Twin of `searchScale`: `count` values to a sub-block, codes in [−limit, limit). Results in `scales`, `flats`, and in
 * `inverses` what codes are computed with: nearest(value × inverse), within the limits.
 */
export function searchScale(groups: usize, count: usize, limit: f32): void {
  const size: usize = count << 4;
  const zero = f32x4.splat(0);
  const roundsToHighest = splat(limit - <f32>0.5);
  const magnitude = v128.load(constants, 32);
  setNumerators(limit);
  v128.store(limits, f32x4.splat(-limit));
  v128.store(limits, f32x4.splat(limit - 1), 16);
  for (let group: usize = 0; group < groups; group++) {
    const from = values + GROUP * group;
    let most = zero;
    let least = zero;
    let largest = zero;
    for (let at: usize = from; at < from + size; at += 16) {
      const x = v128.load(at);
      v128.store(at, f32x4.mul(v128.load(at, WEIGHTS), x), CODES);
      most = f32x4.pmax(most, x);
      least = f32x4.pmin(least, x);
      // floats without sign are in order as integers, with NaNs above all
      largest = i32x4.max_s(largest, v128.and(x, magnitude));
    }
    const isRegular = i32x4.all_true(i32x4.lt_s(largest, v128.load(constants)));
    const below = f32x4.neg(least);
    let max = v128.bitselect(most, least, f32x4.gt(most, below));
    const isTie = v128.andnot(f32x4.eq(most, below), f32x4.eq(most, zero));
    if (!isRegular || v128.any_true(isTie)) {
      firstExtremes(from, size);
      max = v128.load(extremes);
      largest = v128.load(extremes, 16);
    }
    // The extreme's code is negative; the farthest value on the other side has the largest positive code.
    const farthest = v128.bitselect(least, most, f32x4.gt(max, zero));
    let scale = zero;
    let best = zero;
    let bestInverse = zero;
    for (let quad: usize = 0; quad < 5; quad++) {
      let inverse = zero;
      for (let i: usize = 0; i < 4; i++) {
        inverse = f32x4.div(v128.load32_splat(numerators + 16 * quad + 4 * i), max);
        v128.store(candidates + 16 * i, inverse);
      }
      // Codes that are within the limits for the largest inverse are so for all.
      const steepest = quad == 0 ? v128.load(candidates) : inverse;
      const isWithin = i32x4.all_true(f32x4.lt(f32x4.mul(steepest, farthest), roundsToHighest));
      if (!isRegular) for (let i: usize = 0; i < 64; i += 16) exactSums(from, size, limit, i);
      else if (!isWithin) boundedSums(from, size);
      // Up to step 2 (four would do) the extreme itself still rounds to −limit.
      else if (quad < 3) freeSums(from, size);
      else sumsFromBelow(from, size);
      for (let i: usize = 0; i < 64; i += 16) {
        inverse = v128.load(candidates + i);
        const sumX = v128.load(sums + i);
        const sumL = v128.load(sums + i, CANDIDATES);
        const trialScale = f32x4.div(sumX, sumL);
        if (quad + i == 0) {
          scale = v128.andnot(trialScale, f32x4.eq(sumL, zero));
          best = f32x4.mul(scale, sumX);
          bestInverse = inverse;
          continue;
        }
        const better = isBetter(sumX, sumL, best);
        scale = v128.bitselect(trialScale, scale, better);
        best = v128.bitselect(f32x4.mul(trialScale, sumX), best, better);
        bestInverse = v128.bitselect(inverse, bestInverse, better);
      }
    }
    const flat = f32x4.lt(largest, v128.load(constants, 16));
    v128.store(flats + 16 * group, flat);
    v128.store(scales + 16 * group, v128.andnot(scale, flat));
    v128.store(inverses + 16 * group, v128.andnot(bestInverse, flat));
  }
}

// @ts-ignore: decorator
@inline
function isBetter(sumX: v128, sumL: v128, best: v128): v128 {
  return v128.and(
    f32x4.gt(sumL, f32x4.splat(0)),
    f32x4.gt(f32x4.mul(sumX, sumX), f32x4.mul(best, sumL)),
  );
}

/**
 * The codes that a search has found for sub-block `index` of `count` values (a multiple of 16), plus `limit`, to bytes.
 */
export function keepCodes(from: usize, count: usize, index: usize, limit: i32, to: usize): void {
  const inverse = v128.load32_splat(inverses + 4 * index);
  const notFlat = v128.not(v128.load32_splat(flats + 4 * index));
  for (let i: usize = 0; i < count; i += 16, from += 64) {
    const a = f32x4.mul(inverse, v128.load(from));
    const b = f32x4.mul(inverse, v128.load(from, 16));
    const c = f32x4.mul(inverse, v128.load(from, 32));
    const d = f32x4.mul(inverse, v128.load(from, 48));
    v128.store(to + i, v128.and(signedCodes(a, b, c, d, limit), notFlat));
  }
}

/** Nearest integers within [−limit, limit), plus `limit`, as bytes. */
// @ts-ignore: decorator
@inline
export function signedCodes(a: v128, b: v128, c: v128, d: v128, limit: i32): v128 {
  const low = i16x8.narrow_i32x4_s(nearestInts(a), nearestInts(b));
  const high = i16x8.narrow_i32x4_s(nearestInts(c), nearestInts(d));
  const codes = i8x16.narrow_i16x8_s(low, high);
  const bounded = i8x16.min_s(i8x16.max_s(codes, i8x16.splat(<i8>-limit)), i8x16.splat(<i8>(limit - 1)));
  return i8x16.add(bounded, i8x16.splat(<i8>limit));
}

/**
 * Twin of `searchScaleByCode` on `groups` of `count` values, whose weights are their squares. Results in `scales` and
 * `flats`; the codes, without `limit`, are left where candidates' codes are.
 *
 * Each code depends on the sums after the code before. But most codes stay, so with a branch for codes that move, the
 * processor predicts that none moves and goes on.
 */
export function searchScaleByCode(groups: usize, count: usize, limit: i32): void {
  const size: usize = count << 4;
  const lowest = splatInt(-limit);
  const highest = splatInt(limit - 1);
  const zero = f32x4.splat(0);
  for (let group: usize = 0; group < groups; group++) {
    const from = values + GROUP * group;
    firstExtremes(from, size);
    const absMax = v128.load(extremes, 16);
    const inverse = f32x4.div(f32x4.splat(-(<f32>limit)), v128.load(extremes));
    let sumX = zero;
    let sumL = zero;
    for (let at = from; at < from + size; at += 16) {
      const x = v128.load(at);
      const w = v128.load(at, WEIGHTS);
      const code = boundedCode(f32x4.mul(inverse, x), lowest, highest);
      v128.store(at, code, CODES);
      sumX = f32x4.add(sumX, f32x4.mul(f32x4.mul(w, x), code));
      sumL = f32x4.add(sumL, f32x4.mul(f32x4.mul(w, code), code));
    }
    for (let round = 0; round < 5; round++) {
      let changed = i32x4.splat(0);
      for (let at = from; at < from + size; at += 16) {
        const x = v128.load(at);
        const w = v128.load(at, WEIGHTS);
        const code = v128.load(at, CODES);
        const wx = f32x4.mul(w, x);
        const otherX = f32x4.sub(sumX, f32x4.mul(wx, code));
        const otherL = f32x4.sub(sumL, f32x4.mul(f32x4.mul(w, code), code));
        const newCode = boundedCode(f32x4.div(f32x4.mul(x, otherL), otherX), lowest, highest);
        const moves = v128.and(f32x4.gt(otherX, zero), f32x4.ne(newCode, code));
        if (v128.any_true(moves)) {
          const newX = f32x4.add(otherX, f32x4.mul(wx, newCode));
          const newL = f32x4.add(otherL, f32x4.mul(f32x4.mul(w, newCode), newCode));
          const isBetter = f32x4.gt(
            f32x4.mul(f32x4.mul(newX, newX), sumL),
            f32x4.mul(f32x4.mul(sumX, sumX), newL),
          );
          const taken = v128.and(moves, v128.and(f32x4.gt(newL, zero), isBetter));
          v128.store(at, v128.bitselect(newCode, code, taken), CODES);
          sumX = v128.bitselect(newX, sumX, taken);
          sumL = v128.bitselect(newL, sumL, taken);
          changed = v128.or(changed, taken);
        }
      }
      // A sub-block without a change would not change in another round either.
      if (!v128.any_true(changed)) break;
    }
    const flat = f32x4.lt(absMax, v128.load(constants, 16));
    v128.store(flats + 16 * group, flat);
    const none = v128.or(v128.not(f32x4.gt(sumL, zero)), flat);
    v128.store(scales + 16 * group, v128.andnot(f32x4.div(sumX, sumL), none));
  }
}

// @ts-ignore: decorator
@inline
function boundedCode(scaled: v128, lowest: v128, highest: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.min_s(i32x4.max_s(nearestInts(scaled), lowest), highest));
}
