/**
 * Twin of `searchScaleAndMin` in src/types/scale-search.ts. Where the codec branches, masks select lanes. Groups are
 * processed in pairs, which hide each other's latency.
 *
 * The codec rounds by adding 1.5 × 2^23 and reading the mantissa, which wraps for numbers beyond 2^22. Nearly always
 * there are no such numbers; then the rounding and the limits are float operations, otherwise the codec's own integer
 * operations.
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
  0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff,
]);

/** State of the groups: 16 lanes each. */
const lows: usize = memory.data(64);
const highs: usize = memory.data(64);
const trialMins: usize = memory.data(64);
const weightedSums: usize = memory.data(64);
const bestErrors: usize = memory.data(64);
const flats: usize = memory.data(64);

/** Of the present candidates: sums of weight × code, × code² and × code × value, 16 bytes for each of four groups. */
const CODES_SUM: usize = 0;
const SQUARES_SUM: usize = 64;
const VALUES_SUM: usize = 128;
const sums: usize = memory.data(192);

/** The results of these sums. */
const trialInverses: usize = memory.data(64);
const trialScales: usize = memory.data(64);
const newMins: usize = memory.data(64);
const determinants: usize = memory.data(64);
const errors: usize = memory.data(64);

/** Mins, inverses and the limits of a pair of groups: in memory, since there are not enough registers. */
const pair: usize = memory.data(96);

// @ts-ignore: decorator
@inline
function codeOf(x: v128, min: usize, isFree: bool): v128 {
  const nearest = f32x4.nearest(f32x4.mul(v128.load(min, 32), f32x4.sub(x, v128.load(min))));
  return isFree ? nearest : f32x4.pmin(f32x4.pmax(nearest, v128.load(pair, 64)), v128.load(pair, 80));
}

/** Codes and sums of two groups' candidates. All numbers are below 2^22. */
// @ts-ignore: decorator
@inline
function addUpPair(from: usize, lane: usize, size: usize, isFree: bool): void {
  v128.store(pair, v128.load(trialMins + lane));
  v128.store(pair, v128.load(trialMins + lane, 16), 16);
  v128.store(pair, v128.load(trialInverses + lane), 32);
  v128.store(pair, v128.load(trialInverses + lane, 16), 48);
  let l0 = v128.load(constants, 48);
  let l1 = l0;
  let ll0 = l0;
  let ll1 = l0;
  let xl0 = l0;
  let xl1 = l0;
  for (const end = from + size; from < end; from += 16) {
    const x0 = v128.load(from);
    const x1 = v128.load(from, GROUP);
    const c0 = codeOf(x0, pair, isFree);
    const c1 = codeOf(x1, pair + 16, isFree);
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
  const to = sums + lane;
  v128.store(to, l0, CODES_SUM);
  v128.store(to, l1, CODES_SUM + 16);
  v128.store(to, ll0, SQUARES_SUM);
  v128.store(to, ll1, SQUARES_SUM + 16);
  v128.store(to, xl0, VALUES_SUM);
  v128.store(to, xl1, VALUES_SUM + 16);
}

/** The usual case: no code passes the limits. */
function freePair(from: usize, lane: usize, size: usize): void {
  addUpPair(from, lane, size, true);
}

function boundedPair(from: usize, lane: usize, size: usize): void {
  addUpPair(from, lane, size, false);
}

/** The same for one group, `lane` / 16, and numbers of any kind. */
function exactSums(from: usize, lane: usize, size: usize, maxCode: v128): void {
  const min = v128.load(trialMins + lane);
  const inverse = v128.load(trialInverses + lane);
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
  const to = sums + lane;
  v128.store(to, l, CODES_SUM);
  v128.store(to, ll, SQUARES_SUM);
  v128.store(to, xl, VALUES_SUM);
}

/** The weighted errors of two groups' codes under their trial scales and new mins. */
// @ts-ignore: decorator
@inline
function measure(from: usize, lane: usize, size: usize, absolute: bool): void {
  const scale0 = v128.load(trialScales + lane);
  const scale1 = v128.load(trialScales + lane, 16);
  const min0 = v128.load(newMins + lane);
  const min1 = v128.load(newMins + lane, 16);
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
  v128.store(errors + lane, error0);
  v128.store(errors + lane, error1, 16);
}

// @ts-ignore: decorator
@inline
function weightedError(value: v128, weight: v128, code: v128, scale: v128, min: v128, absolute: bool): v128 {
  const difference = f32x4.sub(f32x4.add(f32x4.mul(scale, code), min), value);
  return f32x4.mul(weight, absolute ? f32x4.abs(difference) : f32x4.mul(difference, difference));
}

/** What the lowest value of group `lane` / 16 is to its candidate before rounding, or the highest. */
// @ts-ignore: decorator
@inline
function scaled(values: usize, lane: usize): v128 {
  const above = f32x4.sub(v128.load(values + lane), v128.load(trialMins + lane));
  return f32x4.mul(above, v128.load(trialInverses + lane));
}

/** Whether a group's numbers are below 2^22. The sum of weight × value shows that no NaN hides between the extremes. */
// @ts-ignore: decorator
@inline
function isOrdinary(lane: usize, low: v128, high: v128): v128 {
  const magnitude = v128.load(constants, 64);
  const limit = v128.load(constants);
  const extremes = v128.and(
    f32x4.lt(v128.and(low, magnitude), limit),
    f32x4.lt(v128.and(high, magnitude), limit),
  );
  const sum = v128.and(v128.load(weightedSums + lane), magnitude);
  return v128.and(v128.or(extremes, v128.load(flats + lane)), f32x4.lt(sum, v128.load(constants, 16)));
}

/** Whether a group's codes are within the limits by themselves. */
// @ts-ignore: decorator
@inline
function isWithin(lane: usize, low: v128, high: v128, maxCode: v128): v128 {
  const within = v128.and(
    f32x4.ge(f32x4.nearest(low), v128.load(constants, 48)),
    f32x4.le(f32x4.nearest(high), maxCode),
  );
  return v128.or(within, v128.load(flats + lane));
}

/** Codes of the candidates of two groups, and their sums. */
// @ts-ignore: decorator
@inline
function addUp(from: usize, lane: usize, size: usize, maxCode: v128): void {
  const low0 = scaled(lows, lane);
  const low1 = scaled(lows, lane + 16);
  const high0 = scaled(highs, lane);
  const high1 = scaled(highs, lane + 16);
  if (!i32x4.all_true(v128.and(isOrdinary(lane, low0, high0), isOrdinary(lane + 16, low1, high1)))) {
    exactSums(from, lane, size, maxCode);
    exactSums(from + GROUP, lane + 16, size, maxCode);
  } else if (
    i32x4.all_true(v128.and(isWithin(lane, low0, high0, maxCode), isWithin(lane + 16, low1, high1, maxCode)))
  ) {
    freePair(from, lane, size);
  } else boundedPair(from, lane, size);
}

/** The extent of group `lane` / 16, and its first candidate. */
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
  v128.store(trialInverses + lane, inverse);
  v128.store(trialScales + lane, scale);
  v128.store(newMins + lane, min);
}

/** Scale and min that the codes of a candidate for group `lane` / 16 ask for: a min above zero counts as zero. */
// @ts-ignore: decorator
@inline
function solve(lane: usize): void {
  const zero = v128.load(constants, 48);
  const l = v128.load(sums + lane, CODES_SUM);
  const ll = v128.load(sums + lane, SQUARES_SUM);
  const xl = v128.load(sums + lane, VALUES_SUM);
  const sumW = v128.load(weightSums + lane);
  const sumX = v128.load(weightedSums + lane);
  const determinant = f32x4.sub(f32x4.mul(sumW, ll), f32x4.mul(l, l));
  const newMin = f32x4.div(f32x4.sub(f32x4.mul(ll, sumX), f32x4.mul(l, xl)), determinant);
  const isPositive = f32x4.gt(newMin, zero);
  const numerator = f32x4.sub(f32x4.mul(sumW, xl), f32x4.mul(sumX, l));
  const scale = f32x4.div(
    v128.bitselect(xl, numerator, isPositive),
    v128.bitselect(ll, determinant, isPositive),
  );
  v128.store(determinants + lane, determinant);
  v128.store(newMins + lane, v128.andnot(newMin, isPositive));
  v128.store(trialScales + lane, scale);
}

/** Takes the candidate of group `lane` / 16 where its error is the smallest so far. */
// @ts-ignore: decorator
@inline
function keepBetter(lane: usize): void {
  const error = v128.load(errors + lane);
  const best = v128.load(bestErrors + lane);
  const determinant = v128.load(determinants + lane);
  const better = v128.and(f32x4.gt(determinant, v128.load(constants, 48)), f32x4.lt(error, best));
  const start = v128.load(trialMins + lane);
  keep(bestErrors + lane, error, better);
  keep(scales + lane, v128.load(trialScales + lane), better);
  keep(inverses + lane, v128.load(trialInverses + lane), better);
  keep(starts + lane, start, better);
  // A better candidate's min counts at once, except for a flat sub-block.
  keep(trialMins + lane, v128.load(newMins + lane), v128.andnot(better, v128.load(flats + lane)));
}

// @ts-ignore: decorator
@inline
function keep(at: usize, value: v128, chosen: v128): void {
  v128.store(at, v128.bitselect(value, v128.load(at), chosen));
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
  v128.store(pair, f32x4.splat(0), 64);
  v128.store(pair, maxCodes, 80);
  let allFlat = i32x4.splat(-1);
  for (let lane: usize = 0, from = values; lane < lanes; lane += 16, from += GROUP) {
    begin(from, lane, size, maxCodes);
    allFlat = v128.and(allFlat, v128.load(flats + lane));
  }
  // Rows of zeros are not rare.
  if (i32x4.all_true(allFlat)) stepCount = -1;
  for (let lane: usize = 0, from = values; lane < lanes; lane += 32, from += 2 * GROUP) {
    addUp(from, lane, size, maxCodes);
    measure(from, lane, size, absolute);
    v128.store(bestErrors + lane, v128.load(errors + lane));
    v128.store(bestErrors + lane, v128.load(errors + lane, 16), 16);
  }
  // All pairs together, part by part: one pair works while another waits for its results.
  for (let step = 0; step <= stepCount; step++) {
    const numerator = f32x4.splat(firstStep + stepSize * <f32>step + maxCode);
    for (let lane: usize = 0; lane < lanes; lane += 16) {
      const extent = f32x4.sub(v128.load(highs + lane), v128.load(trialMins + lane));
      v128.store(trialInverses + lane, f32x4.div(numerator, extent));
    }
    for (let lane: usize = 0, from = values; lane < lanes; lane += 32, from += 2 * GROUP) {
      addUp(from, lane, size, maxCodes);
    }
    for (let lane: usize = 0; lane < lanes; lane += 16) solve(lane);
    for (let lane: usize = 0, from = values; lane < lanes; lane += 32, from += 2 * GROUP) {
      measure(from, lane, size, absolute);
    }
    for (let lane: usize = 0; lane < lanes; lane += 16) keepBetter(lane);
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
