/**
 * Twin of `searchScaleAndMin` in src/types/scale-search.ts. Where the codec branches, lanes are
 * chosen by masks. Groups go in pairs, which hide each other's latency.
 *
 * The codec rounds by adding 1.5 × 2^23 and reading the mantissa, which wraps for numbers beyond 2^22. Nearly always
 * none is; then the rounding and the limits are float operations, and else the codec's own integer ones.
 */
import { CODES, GROUP, inverses, nearestInts, scales, splat, starts, values, WEIGHTS } from "./sub-block-lanes";

/** Per sub-block, up to 16: the min (a number ≥ 0 to subtract), and the sum of the weights. */
export const mins: usize = memory.data(64);
export const weightSums: usize = memory.data(64);

// prettier-ignore
const constants = memory.data<u32>([
  0x4a7ffffc, 0x4a7ffffc, 0x4a7ffffc, 0x4a7ffffc, // 2^22 − 1
  0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000, // infinity
  0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000, // 1
  0, 0, 0, 0,
]);

/** State of the groups: 16 lanes each. */
const lows: usize = memory.data(64);
const highs: usize = memory.data(64);
const trialMins: usize = memory.data(64);
const weightedSums: usize = memory.data(64);
const bestErrors: usize = memory.data(64);
const flats: usize = memory.data(64);

/** Which numbers a candidate leads to: any, ordinary ones, or such that no code passes the limits. */
const EXACT = 0;
const BOUNDED = 1;
const FREE = 2;

/** Of two groups: sums of weight × code, × code² and × code × value, 16 bytes each group; and errors. */
const sums: usize = memory.data(96);
const errors: usize = memory.data(32);

/** Nearest integer, within [0, maxCode]. */
// @ts-ignore: decorator
@inline
function codeOf(scaled: v128, zero: v128, maxCode: v128): v128 {
  return f32x4.pmin(f32x4.pmax(f32x4.nearest(scaled), zero), maxCode);
}

/** Codes of a candidate and their sums. All its numbers are below 2^22. */
function boundedSums(from: usize, size: usize, min: v128, inverse: v128, maxCode: v128, to: usize): void {
  const zero = v128.load(constants, 48);
  let l = zero;
  let ll = zero;
  let xl = zero;
  for (const end = from + size; from < end; from += 64) {
    const x0 = v128.load(from);
    const x1 = v128.load(from, 16);
    const x2 = v128.load(from, 32);
    const x3 = v128.load(from, 48);
    const c0 = codeOf(f32x4.mul(inverse, f32x4.sub(x0, min)), zero, maxCode);
    const c1 = codeOf(f32x4.mul(inverse, f32x4.sub(x1, min)), zero, maxCode);
    const c2 = codeOf(f32x4.mul(inverse, f32x4.sub(x2, min)), zero, maxCode);
    const c3 = codeOf(f32x4.mul(inverse, f32x4.sub(x3, min)), zero, maxCode);
    v128.store(from, c0, CODES);
    const w0 = f32x4.mul(v128.load(from, WEIGHTS), c0);
    v128.store(from, c1, CODES + 16);
    const w1 = f32x4.mul(v128.load(from, WEIGHTS + 16), c1);
    v128.store(from, c2, CODES + 32);
    const w2 = f32x4.mul(v128.load(from, WEIGHTS + 32), c2);
    v128.store(from, c3, CODES + 48);
    const w3 = f32x4.mul(v128.load(from, WEIGHTS + 48), c3);
    l = f32x4.add(f32x4.add(f32x4.add(f32x4.add(l, w0), w1), w2), w3);
    ll = f32x4.add(f32x4.add(ll, f32x4.mul(w0, c0)), f32x4.mul(w1, c1));
    ll = f32x4.add(f32x4.add(ll, f32x4.mul(w2, c2)), f32x4.mul(w3, c3));
    xl = f32x4.add(f32x4.add(xl, f32x4.mul(w0, x0)), f32x4.mul(w1, x1));
    xl = f32x4.add(f32x4.add(xl, f32x4.mul(w2, x2)), f32x4.mul(w3, x3));
  }
  v128.store(to, l);
  v128.store(to, ll, 32);
  v128.store(to, xl, 64);
}

/** Mins and inverses of a pair of groups: in memory, since there are not enough registers. */
const pair: usize = memory.data(64);

/** Codes and sums of two groups whose codes are all within the limits: the usual case. */
function freePair(from: usize, size: usize, min0: v128, min1: v128, inverse0: v128, inverse1: v128): void {
  v128.store(pair, min0);
  v128.store(pair, min1, 16);
  v128.store(pair, inverse0, 32);
  v128.store(pair, inverse1, 48);
  let l0 = v128.load(constants, 48);
  let l1 = l0;
  let ll0 = l0;
  let ll1 = l0;
  let xl0 = l0;
  let xl1 = l0;
  for (const end = from + size; from < end; from += 16) {
    const x0 = v128.load(from);
    const x1 = v128.load(from, GROUP);
    const c0 = f32x4.nearest(f32x4.mul(v128.load(pair, 32), f32x4.sub(x0, v128.load(pair))));
    const c1 = f32x4.nearest(f32x4.mul(v128.load(pair, 48), f32x4.sub(x1, v128.load(pair, 16))));
    v128.store(from, c0, CODES);
    v128.store(from, c1, GROUP + CODES);
    const w0 = f32x4.mul(v128.load(from, WEIGHTS), c0);
    const w1 = f32x4.mul(v128.load(from, GROUP + WEIGHTS), c1);
    l0 = f32x4.add(l0, w0);
    l1 = f32x4.add(l1, w1);
    ll0 = f32x4.add(ll0, f32x4.mul(w0, c0));
    ll1 = f32x4.add(ll1, f32x4.mul(w1, c1));
    xl0 = f32x4.add(xl0, f32x4.mul(w0, x0));
    xl1 = f32x4.add(xl1, f32x4.mul(w1, x1));
  }
  v128.store(sums, l0);
  v128.store(sums, l1, 16);
  v128.store(sums, ll0, 32);
  v128.store(sums, ll1, 48);
  v128.store(sums, xl0, 64);
  v128.store(sums, xl1, 80);
}

/** The same for numbers of any kind. */
function exactSums(from: usize, size: usize, min: v128, inverse: v128, maxCode: v128, to: usize): void {
  const zero = i32x4.splat(0);
  let l = f32x4.splat(0);
  let ll = l;
  let xl = l;
  for (const end = from + size; from < end; from += 16) {
    const x = v128.load(from);
    const integer = i32x4.max_s(nearestInts(f32x4.mul(inverse, f32x4.sub(x, min))), zero);
    const code = f32x4.pmin(f32x4.convert_i32x4_s(integer), maxCode);
    v128.store(from, code, CODES);
    const weighted = f32x4.mul(v128.load(from, WEIGHTS), code);
    l = f32x4.add(l, weighted);
    ll = f32x4.add(ll, f32x4.mul(weighted, code));
    xl = f32x4.add(xl, f32x4.mul(weighted, x));
  }
  v128.store(to, l);
  v128.store(to, ll, 32);
  v128.store(to, xl, 64);
}

/** The weighted errors of two groups' codes under their scales and mins. */
// @ts-ignore: decorator
@inline
function measure(
  from: usize,
  size: usize,
  scale0: v128,
  scale1: v128,
  min0: v128,
  min1: v128,
  absolute: bool,
): void {
  let error0 = f32x4.splat(0);
  let error1 = error0;
  for (const end = from + size; from < end; from += 16) {
    const x0 = v128.load(from);
    const x1 = v128.load(from, GROUP);
    const w0 = v128.load(from, WEIGHTS);
    const w1 = v128.load(from, GROUP + WEIGHTS);
    const c0 = v128.load(from, CODES);
    const c1 = v128.load(from, GROUP + CODES);
    error0 = f32x4.add(error0, weightedError(x0, w0, c0, scale0, min0, absolute));
    error1 = f32x4.add(error1, weightedError(x1, w1, c1, scale1, min1, absolute));
  }
  v128.store(errors, error0);
  v128.store(errors, error1, 16);
}

// @ts-ignore: decorator
@inline
function weightedError(value: v128, weight: v128, code: v128, scale: v128, min: v128, absolute: bool): v128 {
  const difference = f32x4.sub(f32x4.add(f32x4.mul(scale, code), min), value);
  return f32x4.mul(weight, absolute ? f32x4.abs(difference) : f32x4.mul(difference, difference));
}

/**
 * The kind of a candidate for group `lane` / 16. The extremes tell, and the sum of weight × value shows that no NaN hides
 * between them.
 */
// @ts-ignore: decorator
@inline
function kindOf(lane: usize, inverse: v128, maxCode: v128): i32 {
  const min = v128.load(trialMins + lane);
  const limit = v128.load(constants);
  const low = f32x4.mul(f32x4.sub(v128.load(lows + lane), min), inverse);
  const high = f32x4.mul(f32x4.sub(v128.load(highs + lane), min), inverse);
  const flat = v128.load(flats + lane);
  const ordinary = v128.and(f32x4.lt(f32x4.abs(low), limit), f32x4.lt(f32x4.abs(high), limit));
  const finite = f32x4.lt(f32x4.abs(v128.load(weightedSums + lane)), v128.load(constants, 16));
  if (!i32x4.all_true(v128.and(v128.or(ordinary, flat), finite))) return EXACT;
  const within = v128.and(
    f32x4.ge(f32x4.nearest(low), v128.load(constants, 48)),
    f32x4.le(f32x4.nearest(high), maxCode),
  );
  return i32x4.all_true(v128.or(within, flat)) ? FREE : BOUNDED;
}

/** Codes and sums of a candidate for group `lane` / 16. */
function candidate(
  kind: i32,
  from: usize,
  lane: usize,
  size: usize,
  inverse: v128,
  maxCode: v128,
  to: usize,
): void {
  const min = v128.load(trialMins + lane);
  if (kind == EXACT) exactSums(from, size, min, inverse, maxCode, to);
  else boundedSums(from, size, min, inverse, maxCode, to);
}

/** The extent of group `lane` / 16, and its first candidate's codes. */
function begin(from: usize, lane: usize, size: usize, maxCode: v128): void {
  let min = v128.load(from);
  let max = min;
  let sumW = v128.load(from, WEIGHTS);
  let sumX = f32x4.mul(sumW, min);
  const end = from + size;
  for (let at = from + 16; at < end; at += 16) {
    const x = v128.load(at);
    const w = v128.load(at, WEIGHTS);
    min = f32x4.pmin(min, x);
    max = f32x4.pmax(max, x);
    sumW = f32x4.add(sumW, w);
    sumX = f32x4.add(sumX, f32x4.mul(w, x));
  }
  v128.store(lows + lane, min);
  v128.store(highs + lane, max);
  min = f32x4.pmin(min, f32x4.splat(0));
  const inverse = f32x4.div(maxCode, f32x4.sub(max, min));
  const scale = f32x4.div(v128.load(constants, 32), inverse);
  v128.store(trialMins + lane, min);
  v128.store(weightSums + lane, sumW);
  v128.store(weightedSums + lane, sumX);
  v128.store(flats + lane, f32x4.le(max, min));
  v128.store(scales + lane, scale);
  v128.store(inverses + lane, inverse);
  v128.store(starts + lane, min);
  candidate(kindOf(lane, inverse, maxCode), from, lane, size, inverse, maxCode, sums);
}

// @ts-ignore: decorator
@inline
function determinantOf(lane: usize, at: usize): v128 {
  const l = v128.load(at);
  return f32x4.sub(f32x4.mul(v128.load(weightSums + lane), v128.load(at, 32)), f32x4.mul(l, l));
}

/** The min that a candidate's codes ask for: above zero it counts as zero. */
// @ts-ignore: decorator
@inline
function minOf(lane: usize, at: usize, determinant: v128): v128 {
  const ofValues = f32x4.mul(v128.load(at, 32), v128.load(weightedSums + lane));
  return f32x4.div(f32x4.sub(ofValues, f32x4.mul(v128.load(at), v128.load(at, 64))), determinant);
}

// @ts-ignore: decorator
@inline
function scaleOf(lane: usize, at: usize, determinant: v128, isPositive: v128): v128 {
  const xl = v128.load(at, 64);
  const ofValues = f32x4.mul(v128.load(weightSums + lane), xl);
  const numerator = f32x4.sub(ofValues, f32x4.mul(v128.load(weightedSums + lane), v128.load(at)));
  return f32x4.div(
    v128.bitselect(xl, numerator, isPositive),
    v128.bitselect(v128.load(at, 32), determinant, isPositive),
  );
}

/** Takes a candidate where its error is the smallest so far. */
// @ts-ignore: decorator
@inline
function keepBetter(lane: usize, determinant: v128, error: v128, scale: v128, min: v128, inverse: v128): void {
  const best = v128.load(bestErrors + lane);
  const better = v128.and(f32x4.gt(determinant, f32x4.splat(0)), f32x4.lt(error, best));
  const start = v128.load(trialMins + lane);
  v128.store(bestErrors + lane, v128.bitselect(error, best, better));
  v128.store(scales + lane, v128.bitselect(scale, v128.load(scales + lane), better));
  v128.store(inverses + lane, v128.bitselect(inverse, v128.load(inverses + lane), better));
  v128.store(starts + lane, v128.bitselect(start, v128.load(starts + lane), better));
  // A better candidate's min counts at once, but a flat sub-block's stands.
  v128.store(trialMins + lane, v128.bitselect(min, start, v128.andnot(better, v128.load(flats + lane))));
}

// @ts-ignore: decorator
@inline
function inverseOf(lane: usize, numerator: v128): v128 {
  return f32x4.div(numerator, f32x4.sub(v128.load(highs + lane), v128.load(trialMins + lane)));
}

/** One candidate for two groups. */
// @ts-ignore: decorator
@inline
function tryStep(from: usize, lane: usize, size: usize, numerator: v128, maxCode: v128, absolute: bool): void {
  const inverse0 = inverseOf(lane, numerator);
  const inverse1 = inverseOf(lane + 16, numerator);
  const kind0 = kindOf(lane, inverse0, maxCode);
  const kind1 = kindOf(lane + 16, inverse1, maxCode);
  if (kind0 + kind1 == 2 * FREE) {
    freePair(from, size, v128.load(trialMins + lane), v128.load(trialMins + lane, 16), inverse0, inverse1);
  } else {
    candidate(kind0, from, lane, size, inverse0, maxCode, sums);
    candidate(kind1, from + GROUP, lane + 16, size, inverse1, maxCode, sums + 16);
  }
  const determinant0 = determinantOf(lane, sums);
  const determinant1 = determinantOf(lane + 16, sums + 16);
  let min0 = minOf(lane, sums, determinant0);
  let min1 = minOf(lane + 16, sums + 16, determinant1);
  const isPositive0 = f32x4.gt(min0, f32x4.splat(0));
  const isPositive1 = f32x4.gt(min1, f32x4.splat(0));
  min0 = v128.andnot(min0, isPositive0);
  min1 = v128.andnot(min1, isPositive1);
  const scale0 = scaleOf(lane, sums, determinant0, isPositive0);
  const scale1 = scaleOf(lane + 16, sums + 16, determinant1, isPositive1);
  measure(from, size, scale0, scale1, min0, min1, absolute);
  keepBetter(lane, determinant0, v128.load(errors), scale0, min0, inverse0);
  keepBetter(lane + 16, determinant1, v128.load(errors, 16), scale1, min1, inverse1);
}

/**
 * Twin of `searchScaleAndMin` over an even number of groups, `count` values to a sub-block (16 or 32); results in
 * `scales`, `mins`, `weightSums`, `inverses` and `starts`. A flat sub-block, whose values are all the same and not above
 * zero, has no scale and the code 0 throughout.
 */
// @ts-ignore: decorator
@inline
function search(
  groups: usize,
  count: usize,
  maxCode: f32,
  firstStep: f32,
  stepSize: f32,
  stepCount: i32,
  absolute: bool,
): void {
  const size: usize = count << 4;
  const lanes: usize = groups << 4;
  const maxCodes = splat(maxCode);
  let allFlat = i32x4.splat(-1);
  for (let lane: usize = 0, from = values; lane < lanes; lane += 16, from += GROUP) {
    begin(from, lane, size, maxCodes);
    allFlat = v128.and(allFlat, v128.load(flats + lane));
  }
  // Rows of zeros are not rare.
  if (i32x4.all_true(allFlat)) stepCount = -1;
  for (let lane: usize = 0, from = values; lane < lanes; lane += 32, from += 2 * GROUP) {
    const scale0 = v128.load(scales + lane);
    const scale1 = v128.load(scales + lane, 16);
    measure(from, size, scale0, scale1, v128.load(starts + lane), v128.load(starts + lane, 16), absolute);
    v128.store(bestErrors + lane, v128.load(errors));
    v128.store(bestErrors + lane, v128.load(errors, 16), 16);
  }
  for (let step = 0; step <= stepCount; step++) {
    const numerator = f32x4.splat(firstStep + stepSize * <f32>step + maxCode);
    for (let lane: usize = 0, from = values; lane < lanes; lane += 32, from += 2 * GROUP) {
      tryStep(from, lane, size, numerator, maxCodes, absolute);
    }
  }
  for (let lane: usize = 0; lane < lanes; lane += 16) {
    const flat = v128.load(flats + lane);
    v128.store(scales + lane, v128.andnot(v128.load(scales + lane), flat));
    v128.store(inverses + lane, v128.andnot(v128.load(inverses + lane), flat));
    v128.store(starts + lane, v128.andnot(v128.load(starts + lane), flat));
    v128.store(mins + lane, f32x4.neg(v128.load(trialMins + lane)));
  }
}

/** Squared errors. */
export function searchScaleAndMin(
  groups: usize,
  count: usize,
  maxCode: f32,
  firstStep: f32,
  stepSize: f32,
  stepCount: i32,
): void {
  search(groups, count, maxCode, firstStep, stepSize, stepCount, false);
}

/** Magnitudes of errors. */
export function searchScaleAndMinByMagnitude(
  groups: usize,
  count: usize,
  maxCode: f32,
  firstStep: f32,
  stepSize: f32,
  stepCount: i32,
): void {
  search(groups, count, maxCode, firstStep, stepSize, stepCount, true);
}

/** The codes that a search has found for sub-block `index` of `count` values (a multiple of 16), as bytes. */
export function keepCodes(from: usize, count: usize, index: usize, maxCode: i32, to: usize): void {
  const inverse = v128.load32_splat(inverses + 4 * index);
  const start = v128.load32_splat(starts + 4 * index);
  for (let i: usize = 0; i < count; i += 16, from += 64) {
    const a = f32x4.mul(inverse, f32x4.sub(v128.load(from), start));
    const b = f32x4.mul(inverse, f32x4.sub(v128.load(from, 16), start));
    const c = f32x4.mul(inverse, f32x4.sub(v128.load(from, 32), start));
    const d = f32x4.mul(inverse, f32x4.sub(v128.load(from, 48), start));
    v128.store(to + i, unsignedCodes(a, b, c, d, maxCode));
  }
}

/** Nearest integers within [0, maxCode], as bytes. */
// @ts-ignore: decorator
@inline
export function unsignedCodes(a: v128, b: v128, c: v128, d: v128, maxCode: i32): v128 {
  const low = i16x8.narrow_i32x4_s(nearestInts(a), nearestInts(b));
  const high = i16x8.narrow_i32x4_s(nearestInts(c), nearestInts(d));
  return i8x16.min_u(i8x16.narrow_i16x8_u(low, high), i8x16.splat(<i8>maxCode));
}
