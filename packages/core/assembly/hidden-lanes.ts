/**
 * Steps of four groups of rounded floats at once, a lane for each: the same as `fitGroup` of hidden-step.ts, as far as the first
 * possible level of the largest magnitude that is not refuted holds. What needs more is left to it.
 */

import { HiddenGroups } from "./hidden-groups";
import { chooseWithin, doubtOf, EXACT_DOUBT, FEW_STEPS, MOST_STEPS, SLACK } from "./hidden-scale";
import { likelyRow, likelyTable } from "./likely-steps";

/** Longer groups are not worth the room. */
export const MOST_LANES = 64;
const SURE_TOP: f32 = 8;
/** How far from an integer a multiple of up to `MOST_STEPS` may seem to be by roundings. */
const INTEGER_DOUBT: f32 = 1e-4;
const ALL = 15;

/** Loaded before a loop: V8 rebuilds a splat at every use. */
// prettier-ignore
const constants = memory.data<f32>([
  1, 1, 1, 1,
  0.5, 0.5, 0.5, 0.5,
]);

/** Magnitudes of four groups, a lane for each. */
const kept = memory.data(16 * MOST_LANES, 16);
/** Eight of the smallest, and the same as parts of the largest. */
const small = memory.data(128, 16);
const parts = memory.data(128, 16);
/** Rows of the table of likely levels, one for each of the eight. */
const rows = memory.data(128, 16);
/** Levels that may still be tried: 128 bits for each group. */
const likely = memory.data(64, 16);
const tops = memory.data(16, 16);

/** What was found, by lane: scale, lowest float, highest float, and how many floats are not 0. */
export const found: usize = memory.data(64, 16);

let half = 0;
let doubt: f32 = 0;
let largest4: v128 = i32x4.splat(0);
let spacing4: v128 = i32x4.splat(0);
let least4: v128 = i32x4.splat(0);
let most4: v128 = i32x4.splat(0);
let off4: v128 = i32x4.splat(0);
/** Each lane's largest distance from an integer. */
let far4: v128 = i32x4.splat(0);
/** Each lane's smallest magnitude that is not 0. */
let smallest4: v128 = i32x4.splat(0);

/** @returns a bit for each of the four groups that was fitted, the others are left */
export function fitFourGroups(at: HiddenGroups, start: usize): i32 {
  const step = 4 * <usize>at.length;
  const end = kept + 4 * step;
  half = 1 << (at.dropped - 1);
  doubt = <f32>1 + reinterpret<f32>((127 - 23 + at.dropped) << 23);
  let right = turn(at, start, step);
  if (right == 0) return 0;
  right = firstLevels(doubtOf(at.dropped), right);
  if (right == 0) return 0;
  right = narrowAll(end, right);
  if (right == 0) return 0;
  const tops4 = v128.load(tops);
  // an exact step may be the better answer
  const seemsExact = v128.and(
    f32x4.le(tops4, f32x4.splat(<f32>FEW_STEPS)),
    f32x4.le(far4, f32x4.splat(EXACT_DOUBT)),
  );
  right &= ~i32x4.bitmask(v128.andnot(seemsExact, off4));
  right &= ~mayHaveSteps(right & i32x4.bitmask(f32x4.gt(tops4, f32x4.splat(SURE_TOP))));
  for (let lane: usize = 0; lane < 4; lane++, start += step) {
    if ((right & (1 << <i32>lane)) == 0) continue;
    v128.store(rows, least4);
    v128.store(rows, most4, 16);
    const top = <i32>load<f32>(tops + 4 * lane);
    const scale = chooseWithin(load<f32>(rows + 4 * lane), load<f32>(rows + 4 * lane, 16), at.dropped, start, start + step, top);
    if (scale == 0) right &= ~(1 << <i32>lane);
    store<f32>(found + 4 * lane, scale);
  }
  return right;
}

/** Magnitudes, extremes and the smallest numbers of four groups. @returns a bit for each group with usual numbers */
function turn(at: HiddenGroups, start: usize, step: usize): i32 {
  const one4 = i32x4.splat(1);
  const zero4 = i32x4.splat(0);
  let low4 = zero4;
  let high4 = zero4;
  let zeros4 = zero4;
  let most = zero4;
  // magnitudes less 1, as bits: 0 becomes the largest number without a sign
  let s0 = i32x4.splat(-1);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let n0 = s0;
  let n1 = s0;
  let n2 = s0;
  let n3 = s0;
  let place = kept;
  for (let i = start; i < start + step; i += 16, place += 64) {
    const a = v128.load(i);
    const b = v128.load(i + step);
    const c = v128.load(i + 2 * step);
    const d = v128.load(i + 3 * step);
    const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
    const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
    const abEnd = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
    const cdEnd = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
    const v0 = v128.shuffle<i64>(ab, cd, 0, 2);
    const v1 = v128.shuffle<i64>(ab, cd, 1, 3);
    const v2 = v128.shuffle<i64>(abEnd, cdEnd, 0, 2);
    const v3 = v128.shuffle<i64>(abEnd, cdEnd, 1, 3);
    low4 = f32x4.pmin(low4, f32x4.pmin(f32x4.pmin(v0, v1), f32x4.pmin(v2, v3)));
    high4 = f32x4.pmax(high4, f32x4.pmax(f32x4.pmax(v0, v1), f32x4.pmax(v2, v3)));
    zeros4 = i32x4.add(
      i32x4.add(zeros4, i32x4.add(f32x4.eq(v0, zero4), f32x4.eq(v1, zero4))),
      i32x4.add(f32x4.eq(v2, zero4), f32x4.eq(v3, zero4)),
    );
    const m0 = f32x4.abs(v0);
    const m1 = f32x4.abs(v1);
    const m2 = f32x4.abs(v2);
    const m3 = f32x4.abs(v3);
    v128.store(place, m0);
    v128.store(place, m1, 16);
    v128.store(place, m2, 32);
    v128.store(place, m3, 48);
    most = i32x4.max_s(most, i32x4.max_s(i32x4.max_s(m0, m1), i32x4.max_s(m2, m3)));
    const o0 = i32x4.sub(m0, one4);
    const o1 = i32x4.sub(m1, one4);
    const o2 = i32x4.sub(m2, one4);
    const o3 = i32x4.sub(m3, one4);
    n0 = i32x4.min_u(n0, i32x4.max_u(s0, o0));
    n1 = i32x4.min_u(n1, i32x4.max_u(s1, o1));
    n2 = i32x4.min_u(n2, i32x4.max_u(s2, o2));
    n3 = i32x4.min_u(n3, i32x4.max_u(s3, o3));
    s0 = i32x4.min_u(s0, o0);
    s1 = i32x4.min_u(s1, o1);
    s2 = i32x4.min_u(s2, o2);
    s3 = i32x4.min_u(s3, o3);
  }
  const least = i32x4.min_u(i32x4.min_u(s0, s1), i32x4.min_u(s2, s3));
  smallest4 = i32x4.add(least, one4);
  largest4 = most;
  const inverse4 = f32x4.div(f32x4.splat(1), most);
  keep(0, i32x4.add(s0, one4), inverse4);
  keep(16, i32x4.add(s1, one4), inverse4);
  keep(32, i32x4.add(s2, one4), inverse4);
  keep(48, i32x4.add(s3, one4), inverse4);
  keep(64, i32x4.add(n0, one4), inverse4);
  keep(80, i32x4.add(n1, one4), inverse4);
  keep(96, i32x4.add(n2, one4), inverse4);
  keep(112, i32x4.add(n3, one4), inverse4);
  v128.store(found, low4, 16);
  v128.store(found, high4, 32);
  v128.store(found, i32x4.add(zeros4, i32x4.splat(at.length)), 48);
  // NaN, infinite, numbers of fewer bits than the type has, and zeros only
  const isOdd = v128.or(
    i32x4.lt_u(least, i32x4.splat(at.leastNormal - 1)),
    v128.or(i32x4.ge_s(most, i32x4.splat(0x7f800000)), i32x4.eq(most, zero4)),
  );
  return ALL & ~i32x4.bitmask(isOdd);
}

// @ts-ignore: decorator
@inline
function keep(place: usize, own: v128, inverse4: v128): void {
  const part = f32x4.mul(own, inverse4);
  v128.store(small + place, own);
  v128.store(parts + place, part);
  v128.store(rows + place, likelyRow(part));
}

/** The next likely level of a group; 0: there is none up to 128. */
// @ts-ignore: decorator
@inline
function nextLevel(group: usize): f32 {
  const place = likely + 16 * group;
  let word = load<u64>(place);
  if (word != 0) {
    store<u64>(place, word & (word - 1));
    return <f32>(<i32>ctz(word) + 1);
  }
  word = load<u64>(place, 8);
  if (word == 0) return 0;
  store<u64>(place, word & (word - 1), 8);
  return <f32>(<i32>ctz(word) + 65);
}

/** How far from an integer each product is. */
// @ts-ignore: decorator
@inline
function distance(product: v128): v128 {
  return f32x4.abs(f32x4.sub(product, f32x4.nearest(product)));
}

/** The first levels of the largest magnitudes with which the small ones are integers. @returns a bit for each group that has one */
function firstLevels(relative: f32, right: i32): i32 {
  const table = likelyTable();
  for (let group: usize = 0; group < 4; group++) {
    let bits = i32x4.splat(-1);
    for (let row = rows + 4 * group; row < rows + 128; row += 16) bits = v128.and(bits, v128.load(table + load<u32>(row)));
    v128.store(likely + 16 * group, bits);
  }
  const low4 = i32x4.sub(largest4, i32x4.splat(half));
  const high4 = i32x4.add(largest4, i32x4.splat(half));
  const gap = f32x4.sub(high4, largest4);
  spacing4 = f32x4.add(gap, gap);
  const doubt4 = f32x4.splat(relative);
  let wanted = right;
  v128.store(tops, f32x4.splat(1));
  while (wanted != 0) {
    for (let group: usize = 0; group < 4; group++) {
      if ((wanted & (1 << <i32>group)) == 0) continue;
      const top = nextLevel(group);
      if (top == 0) right &= ~(1 << <i32>group);
      else store<f32>(tops + 4 * group, top);
    }
    const tops4 = v128.load(tops);
    let most = i32x4.splat(0);
    let isFar = i32x4.splat(0);
    for (let i = parts; i < parts + 128; i += 16) {
      const level = f32x4.mul(v128.load(i), tops4);
      const far = distance(level);
      isFar = v128.or(isFar, f32x4.gt(far, f32x4.mul(level, doubt4)));
      most = f32x4.pmax(most, far);
    }
    wanted = right & i32x4.bitmask(isFar);
    if (wanted != 0) continue;
    far4 = most;
    least4 = f32x4.div(low4, tops4);
    most4 = f32x4.div(high4, tops4);
    narrowOnce(small, small + 128);
    const isEmpty = isWithout();
    wanted = right & i32x4.bitmask(isEmpty);
    // an exact step might be there nevertheless
    const seemsExact = v128.and(f32x4.le(tops4, f32x4.splat(<f32>FEW_STEPS)), f32x4.le(far4, f32x4.splat(EXACT_DOUBT)));
    const unclear = wanted & i32x4.bitmask(seemsExact);
    right &= ~unclear;
    wanted &= ~unclear;
  }
  return right;
}

/** Lanes whose bounds leave no scale. */
// @ts-ignore: decorator
@inline
function isWithout(): v128 {
  return f32x4.gt(least4, f32x4.mul(most4, f32x4.splat(<f32>(1 + SLACK))));
}

/** As in src/view/hidden-step.ts: levels from here on may be one of two. */
// @ts-ignore: decorator
@inline
function certainBelow(): v128 {
  const relative = f32x4.div(least4, f32x4.sub(f32x4.mul(most4, f32x4.splat(doubt)), least4));
  const absolute = f32x4.div(f32x4.sub(least4, spacing4), f32x4.sub(most4, least4));
  return v128.bitselect(absolute, relative, f32x4.gt(absolute, relative));
}

/** A bit for each lane in which every level is certain. */
function settled(): i32 {
  return i32x4.bitmask(f32x4.lt(f32x4.add(v128.load(tops), f32x4.splat(1)), certainBelow()));
}

/** Narrows the bounds by all floats. @returns a bit for each group whose bounds are certain and leave a scale */
function narrowAll(end: usize, right: i32): i32 {
  let certain = settled();
  if ((right & ~certain) != 0) {
    const low4 = least4;
    const high4 = most4;
    // half of the floats nearly always do
    narrowOnce(kept, (kept + end) >> 1);
    certain = settled();
    if ((right & ~certain) != 0) {
      // the reference has no more passes than these, so the half does not count
      least4 = low4;
      most4 = high4;
      narrowOnce(kept, end);
      certain = settled();
    }
    right &= certain & ~i32x4.bitmask(isWithout());
    if (right == 0) return 0;
  }
  const half4 = i32x4.splat(half);
  const one4 = v128.load(constants);
  const middle4 = v128.load(constants, 16);
  const inverse4 = f32x4.div(f32x4.splat(2), f32x4.add(least4, most4));
  const part4 = f32x4.div(largest4, v128.load(tops));
  let newLeast4 = least4;
  let newMost4 = most4;
  let off = i32x4.splat(0);
  for (let i = kept; i < end; i += 16) {
    const v = v128.load(i);
    const level = f32x4.floor(f32x4.add(f32x4.mul(v, inverse4), middle4));
    // a float of 0 gives NaN and an infinite bound, which change nothing; another float of level 0 a bound that none meets
    const own = f32x4.div(one4, level);
    newLeast4 = f32x4.pmax(newLeast4, f32x4.mul(i32x4.sub(v, half4), own));
    newMost4 = f32x4.pmin(newMost4, f32x4.mul(i32x4.add(v, half4), own));
    off = v128.or(off, f32x4.ne(f32x4.mul(level, part4), v));
  }
  least4 = newLeast4;
  most4 = newMost4;
  off4 = off;
  return right & i32x4.bitmask(f32x4.le(least4, f32x4.mul(most4, f32x4.splat(<f32>(1 + SLACK)))));
}

/** One pass over floats whose levels may be in doubt: those change nothing. */
function narrowOnce(from: usize, end: usize): void {
  const half4 = i32x4.splat(half);
  const one4 = v128.load(constants);
  const zero4 = f32x4.splat(0);
  const middle4 = v128.load(constants, 16);
  const inverse4 = f32x4.div(f32x4.splat(2), f32x4.add(least4, most4));
  const certain4 = certainBelow();
  let newLeast4 = least4;
  let newMost4 = most4;
  for (let i = from; i < end; i += 16) {
    const v = v128.load(i);
    const level = f32x4.floor(f32x4.add(f32x4.mul(v, inverse4), middle4));
    const skipped = v128.or(f32x4.eq(v, zero4), f32x4.ge(level, certain4));
    // a level of 0 gives an infinite bound, which no scale is above
    const part = f32x4.div(one4, level);
    const low = f32x4.mul(i32x4.sub(v, half4), part);
    const high = f32x4.mul(i32x4.add(v, half4), part);
    newLeast4 = v128.bitselect(newLeast4, f32x4.pmax(newLeast4, low), skipped);
    newMost4 = v128.bitselect(newMost4, f32x4.pmin(newMost4, high), skipped);
  }
  least4 = newLeast4;
  most4 = newMost4;
}

/** A bit for each of some groups that may have an exact step: a part of the smallest magnitude, and of the other small ones. */
function mayHaveSteps(wanted: i32): i32 {
  if (wanted == 0) return 0;
  const inverse4 = f32x4.div(f32x4.splat(1), smallest4);
  const ratio4 = f32x4.mul(largest4, inverse4);
  const end4 = f32x4.splat(<f32>MOST_STEPS + 0.5);
  const doubt4 = f32x4.splat(INTEGER_DOUBT);
  let steps = 0;
  let isShort = i32x4.splat(-1);
  for (let part: f32 = 1; (i32x4.bitmask(isShort) & wanted) != 0; part++) {
    const part4 = f32x4.splat(part);
    const multiple4 = f32x4.mul(part4, ratio4);
    isShort = f32x4.lt(multiple4, end4);
    let isStep = v128.and(isShort, f32x4.le(distance(multiple4), doubt4));
    if ((i32x4.bitmask(isStep) & wanted) == 0) continue;
    const steps4 = f32x4.mul(inverse4, part4);
    for (let i = small; i < small + 128; i += 16) {
      isStep = v128.and(isStep, f32x4.le(distance(f32x4.mul(v128.load(i), steps4)), doubt4));
    }
    steps |= i32x4.bitmask(isStep) & wanted;
  }
  return steps;
}
