/**
 * Scales of groups of floats that were rounded to 8 or 11 bits: twin of `narrowStep` in src/view/hidden-step.ts and of
 * `roundedFit` in src/view/hidden-scale.ts.
 */

import { likelySteps } from "./likely-steps";

export const MOST_STEPS = 255;
/** Exact multiples up to this are no coincidence. */
export const FEW_STEPS = 15;
/** How far from an integer a float of a few steps may seem to be by the rounding of its quotient. */
export const EXACT_DOUBT: f32 = 1e-5;
const MOST_SPLIT = 15;
/** How far from an integer a multiple of up to `MOST_STEPS` may seem to be by roundings. */
const INTEGER_DOUBT: f32 = 1e-4;
const MOST_PASSES = 3;
/** Levels above this are left to the reference. */
const MOST_TOP = 128;
export const SLACK: f64 = 4.76837158203125e-7;
/** Loaded before a loop: V8 rebuilds a splat at every use. */
// prettier-ignore
const constants = memory.data<f32>([
  1, 1, 1, 1,
  0.5, 0.5, 0.5, 0.5,
]);
/** Eight of the smallest magnitudes. They narrow the bounds of a scale first, which makes the levels of the others certain. */
const small = memory.data(32, 16);

/** The scale that `roundedSteps` found. */
export let foundScale: f32 = 0;

/** True where that scale is a part of the largest float, and gives all floats without rounding. */
export let isExact = false;

/** The bounds of the scale. */
let least: f32 = 0;
let most: f32 = 0;
/** From the largest float to the next number of its type. */
let spacing: f32 = 0;
/** A float is no multiple of the part of the largest one that was looked at. */
let isOff = false;
/** No level was in doubt when all floats narrowed the bounds. */
let isSettled = false;

// All lanes by shuffles: max and min of two numbers would be branches, which are as often wrong as right.

// @ts-ignore: decorator
@inline
export function maxOf(v: v128): f32 {
  const half = f32x4.pmax(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(half, v128.shuffle<i32>(half, half, 1, 0, 3, 2)), 0);
}

// @ts-ignore: decorator
@inline
export function minOf(v: v128): f32 {
  const half = f32x4.pmin(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmin(half, v128.shuffle<i32>(half, half, 1, 0, 3, 2)), 0);
}

/** Keeps eight of the smallest magnitudes of the group that is looked at. */
// @ts-ignore: decorator
@inline
export function keepSmall(small4: v128, next4: v128): void {
  v128.store(small, small4);
  v128.store(small, next4, 16);
}

/** Whether each number is an integer, for all that roundings do to a small one. */
// @ts-ignore: decorator
@inline
function isInteger(v: v128): v128 {
  return f32x4.le(distance(v), f32x4.splat(INTEGER_DOUBT));
}

/**
 * False where no step has the largest magnitude and the small ones as multiples, at most `MOST_STEPS` of them: it would be a
 * part of the smallest one.
 */
export function mayHaveStep(largest: f32, smallest: f32): bool {
  const inverse = <f32>1 / smallest;
  const ratio = largest * inverse;
  let parts4 = f32x4(1, 2, 3, 4);
  for (let part: f32 = 1; part * ratio < <f32>(MOST_STEPS + 1); part += 4) {
    const multiples = f32x4.mul(parts4, f32x4.splat(ratio));
    const isStep = v128.and(isInteger(multiples), f32x4.lt(multiples, f32x4.splat(<f32>MOST_STEPS + 0.5)));
    for (let bits = i32x4.bitmask(isStep); bits != 0; bits &= bits - 1) {
      const inverse4 = f32x4.splat(inverse * (part + <f32>ctz(bits)));
      const isMultiple = isInteger(f32x4.mul(v128.load(small), inverse4));
      const isNextMultiple = isInteger(f32x4.mul(v128.load(small, 16), inverse4));
      if (i32x4.all_true(v128.and(isMultiple, isNextMultiple))) return true;
    }
    parts4 = f32x4.add(parts4, f32x4.splat(4));
  }
  return false;
}

/** How far from an integer each product is. */
// @ts-ignore: decorator
@inline
function distance(product: v128): v128 {
  return f32x4.abs(f32x4.sub(product, f32x4.nearest(product)));
}

/** The relative errors of two floats together, and a little. */
// @ts-ignore: decorator
@inline
export function doubtOf(dropped: i32): f32 {
  return reinterpret<f32>((127 - 23 + dropped) << 23) * 1.02;
}

/** A part of the largest magnitude, where all floats are multiples of it; else 0; negative: the reference decides. */
export function partOf(largest: f32, top: i32, start: usize, end: usize): f32 {
  const step = largest / <f32>top;
  if (<f64>step * <f64>top != <f64>largest) return 0;
  // products of more than 16 significant bits with 8 bits are not exact
  if ((reinterpret<i32>(step) & 0xff) != 0) return -1;
  const step4 = f32x4.splat(step);
  const inverse4 = f32x4.splat(<f32>1 / step);
  for (let i = start; i < end; i += 16) {
    const v = v128.load(i);
    if (!i32x4.all_true(f32x4.eq(f32x4.mul(f32x4.nearest(f32x4.mul(v, inverse4)), step4), v))) return 0;
  }
  return step;
}

/**
 * The smallest level of the largest magnitude with which all are integers; its scale is `foundScale`. 0: there is none;
 * negative: the reference decides. The smaller a magnitude is, the better it tells levels apart:
 * `small4` and `next4` are eight of the smallest as parts of the largest, or 0.
 */
export function roundedSteps(
  dropped: i32,
  start: usize,
  end: usize,
  largest: f32,
  small4: v128,
  next4: v128,
): i32 {
  const half = 1 << (dropped - 1);
  const lowLargest = reinterpret<f32>(reinterpret<i32>(largest) - half);
  const highLargest = reinterpret<f32>(reinterpret<i32>(largest) + half);
  spacing = 2 * (highLargest - largest);
  const doubt4 = f32x4.splat(doubtOf(dropped));
  const exactDoubt4 = f32x4.splat(EXACT_DOUBT);
  isExact = false;
  const likely = likelySteps(small4, next4);
  let word = i64x2.extract_lane(likely, 0);
  for (let before = 0; before < MOST_STEPS; before += 64) {
    for (; word != 0; word &= word - 1) {
      const top = before + 1 + <i32>ctz(word);
      if (top > MOST_STEPS) return 0;
      const top4 = f32x4.splat(<f32>top);
      const level = f32x4.mul(small4, top4);
      const nextLevel = f32x4.mul(next4, top4);
      const far = distance(level);
      const nextFar = distance(nextLevel);
      // no integers, for all that their roundings may do
      const isFar = v128.or(
        f32x4.gt(far, f32x4.mul(level, doubt4)),
        f32x4.gt(nextFar, f32x4.mul(nextLevel, doubt4)),
      );
      if (v128.any_true(isFar)) continue;
      if (top > MOST_TOP) return -1;
      const seemsExact = top <= FEW_STEPS && !v128.any_true(f32x4.gt(f32x4.pmax(far, nextFar), exactDoubt4));
      least = lowLargest / <f32>top;
      most = highLargest / <f32>top;
      isOff = false;
      const isFound = narrow(half, dropped, top, largest, start, end);
      if (seemsExact && !isOff) {
        const step = partOf(largest, top, start, end);
        if (step < 0) return -1;
        isExact = step > 0;
        foundScale = step;
        if (isExact) return top;
      }
      if (!isFound) continue;
      foundScale = chooseScale(dropped, start, end, top);
      return foundScale == 0 ? -1 : top;
    }
    word = before == 0 ? i64x2.extract_lane(likely, 1) : -1;
  }
  return 0;
}

/** As in src/view/hidden-step.ts: levels from here on may be one of two. */
// @ts-ignore: decorator
@inline
function certainBelow(doubt: f32): f32 {
  const relative = least / (most * doubt - least);
  const absolute = (least - spacing) / (most - least);
  return absolute > relative ? absolute : relative;
}

/** `narrowStep` in src/view/hidden-step.ts, on `least` and `most`, for floats whose levels are at most `top` + 1. */
function narrow(half: i32, dropped: i32, top: i32, largest: f32, start: usize, end: usize): bool {
  const doubt: f32 = <f32>1 + reinterpret<f32>((127 - 23 + dropped) << 23);
  const above = <f32>(top + 1);
  const part = largest / <f32>top;
  isSettled = above < certainBelow(doubt);
  if (isSettled) return narrowCertain(half, part, start, end);
  const low = least;
  const high = most;
  narrowOnce(half, doubt, small, small + 32);
  if (least > most * <f32>(1 + SLACK)) return false;
  isSettled = above < certainBelow(doubt);
  if (!isSettled) {
    // bounds between those after the first and the second pass of the reference, which has one more
    narrowOnce(half, doubt, start, end);
    if (least > most * <f32>(1 + SLACK)) return false;
    isSettled = above < certainBelow(doubt);
  }
  if (isSettled) return narrowCertain(half, part, start, end);
  least = low;
  most = high;
  return narrowPasses(half, doubt, start, end);
}

/** One pass, where every level is certain. */
function narrowCertain(half: i32, part: f32, start: usize, end: usize): bool {
  const half4 = i32x4.splat(half);
  const one4 = v128.load(constants);
  const middle4 = v128.load(constants, 16);
  const inverse4 = f32x4.splat(<f32>2 / (least + most));
  const part4 = f32x4.splat(part);
  let newLeast4 = f32x4.splat(least);
  let newMost4 = f32x4.splat(most);
  let off4 = i32x4.splat(0);
  for (let i = start; i < end; i += 16) {
    const v = f32x4.abs(v128.load(i));
    const level = f32x4.floor(f32x4.add(f32x4.mul(v, inverse4), middle4));
    // a float of 0 gives NaN and an infinite bound, which change nothing; another float of level 0 a bound that none meets
    const own = f32x4.div(one4, level);
    newLeast4 = f32x4.pmax(newLeast4, f32x4.mul(i32x4.sub(v, half4), own));
    newMost4 = f32x4.pmin(newMost4, f32x4.mul(i32x4.add(v, half4), own));
    off4 = v128.or(off4, f32x4.ne(f32x4.mul(level, part4), v));
  }
  least = maxOf(newLeast4);
  most = minOf(newMost4);
  isOff = v128.any_true(off4);
  return least <= most * <f32>(1 + SLACK);
}

/** All passes. */
function narrowPasses(half: i32, doubt: f32, start: usize, end: usize): bool {
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    const isSure = narrowOnce(half, doubt, start, end);
    if (least > most * <f32>(1 + SLACK)) return false;
    if (isSure) return true;
  }
  return true;
}

/** One pass over floats whose levels may be in doubt. False: one is. */
function narrowOnce(half: i32, doubt: f32, start: usize, end: usize): bool {
  const half4 = i32x4.splat(half);
  const one4 = v128.load(constants);
  const middle4 = v128.load(constants, 16);
  const zero4 = f32x4.splat(0);
  const inverse4 = f32x4.splat(<f32>2 / (least + most));
  const certain4 = f32x4.splat(certainBelow(doubt));
  let newLeast4 = f32x4.splat(least);
  let newMost4 = f32x4.splat(most);
  let unsure4 = zero4;
  for (let i = start; i < end; i += 16) {
    const v = f32x4.abs(v128.load(i));
    const level = f32x4.floor(f32x4.add(f32x4.mul(v, inverse4), middle4));
    const unsure = f32x4.ge(level, certain4);
    unsure4 = v128.or(unsure4, unsure);
    const skipped = v128.or(f32x4.eq(v, zero4), unsure);
    // a level of 0 gives an infinite bound, which no scale is above
    const part = f32x4.div(one4, level);
    const low = f32x4.mul(i32x4.sub(v, half4), part);
    const high = f32x4.mul(i32x4.add(v, half4), part);
    newLeast4 = v128.bitselect(newLeast4, f32x4.pmax(newLeast4, low), skipped);
    newMost4 = v128.bitselect(newMost4, f32x4.pmin(newMost4, high), skipped);
  }
  least = maxOf(newLeast4);
  most = minOf(newMost4);
  return !v128.any_true(unsure4);
}

/** `roundedFit` in src/view/hidden-scale.ts for scales that are normal numbers of every type; 0: another one. */
function chooseScale(dropped: i32, start: usize, end: usize, top: i32): f32 {
  const low = <f64>least * (1 - SLACK);
  const high = <f64>most * (1 + SLACK);
  const splits = max(1, MOST_SPLIT / top);
  for (let split = 1; split <= splits; split++) {
    // a division is slow, and nearly all scales are found with the first one
    const a = split == 1 ? low : low / <f64>split;
    const b = split == 1 ? high : high / <f64>split;
    const bits = reinterpret<i32>(<f32>((a + b) / 2));
    // subnormal f16 numbers, and too large ones
    if (bits < 0x38800000 || bits > 0x477fe000) return 0;
    const half = (bits + 0xfff + ((bits >> 13) & 1)) & ~0x1fff;
    const middle = <f64>reinterpret<f32>(half);
    // well within the bounds of levels that are certain, a scale gives every float
    const isInside = isSettled && middle > a * (1 + 4 * SLACK) && middle < b * (1 - 4 * SLACK);
    if (isInside) return <f32>middle;
    if (middle < a || middle > b) continue;
    if (holds(dropped, start, end, <f32>middle)) return <f32>middle;
    const step = <f64>reinterpret<f32>((half & 0x7f800000) - (10 << 23));
    for (let distance = step; middle - distance >= a || middle + distance <= b; distance += step) {
      const below = <f32>(middle - distance);
      if (middle - distance >= a && holds(dropped, start, end, below)) return below;
      const above = <f32>(middle + distance);
      if (middle + distance <= b && holds(dropped, start, end, above)) return above;
    }
  }
  const single = <f32>((low + high) / 2);
  const bits = reinterpret<i32>(single);
  const bfloat = <f64>reinterpret<f32>((bits + 0x7fff + ((bits >> 16) & 1)) & ~0xffff);
  if (bfloat >= low && bfloat <= high && holds(dropped, start, end, <f32>bfloat)) return <f32>bfloat;
  return holds(dropped, start, end, single) ? single : 0;
}

/** The same within bounds that all floats narrowed, each of which has one certain level. */
export function chooseWithin(low: f32, high: f32, dropped: i32, start: usize, end: usize, top: i32): f32 {
  least = low;
  most = high;
  isSettled = true;
  return chooseScale(dropped, start, end, top);
}

/** True where a scale gives every float once it is rounded. */
function holds(dropped: i32, start: usize, end: usize, scale: f32): bool {
  const scale4 = f32x4.splat(scale);
  const inverse4 = f32x4.splat(<f32>1 / scale);
  const middle4 = v128.load(constants, 16);
  let far4 = i32x4.splat(0);
  for (let i = start; i < end; i += 16) {
    const v = f32x4.abs(v128.load(i));
    const level = f32x4.floor(f32x4.add(f32x4.mul(v, inverse4), middle4));
    far4 = i32x4.max_u(far4, i32x4.abs(i32x4.sub(f32x4.mul(level, scale4), v)));
  }
  const half4 = i32x4.splat(1 << (dropped - 1));
  if (v128.any_true(i32x4.gt_u(far4, half4))) return false;
  return !v128.any_true(i32x4.eq(far4, half4)) || holdsTies(dropped, start, end, scale);
}

/** The same where some products lie in the middle between two floats: the even one is right. */
function holdsTies(dropped: i32, start: usize, end: usize, scale: f32): bool {
  const scale4 = f32x4.splat(scale);
  const inverse4 = f32x4.splat(<f32>1 / scale);
  const middle4 = v128.load(constants, 16);
  const below4 = i32x4.splat((1 << (dropped - 1)) - 1);
  const kept4 = i32x4.splat(~((1 << dropped) - 1));
  for (let i = start; i < end; i += 16) {
    const v = f32x4.abs(v128.load(i));
    const level = f32x4.floor(f32x4.add(f32x4.mul(v, inverse4), middle4));
    const product = f32x4.mul(level, scale4);
    const odd = v128.and(i32x4.shr_u(product, dropped), i32x4.splat(1));
    const rounded = v128.and(i32x4.add(i32x4.add(product, below4), odd), kept4);
    if (!i32x4.all_true(i32x4.eq(rounded, v))) return false;
  }
  return true;
}
