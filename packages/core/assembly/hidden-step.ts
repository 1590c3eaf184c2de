/**
 * Twin of `integerFit` in src/view/hidden-scale.ts: the step of each group of floats. It answers where the answer is certain
 * to be that of the reference; else it leaves the group to it.
 */

/**
 * Groups of floats. The fields of this class are those of `placeGroups` in src/kernels/hidden-twin.ts, in the same order.
 */
@unmanaged
class HiddenGroups {
  /** f32, group after group. */
  values: usize;
  count: i32;
  /** Floats of a group: a multiple of 4. */
  length: i32;
  /** Bits that an f32 has more than the floats' type: 0, 13 or 16. */
  dropped: i32;
  /** Smallest normal number of the type, as f32 bits. */
  leastNormal: i32;
  /** Five f64 for each group: how, scale, smallest and largest level, floats that are not 0. */
  out: usize;
}

const LEFT = 0.0;
const EXACT = 1.0;
const ROUNDED = 2.0;

const MOST_STEPS = 255;
const FEW_STEPS = 15;
const MOST_SPLIT = 15;
const MOST_PASSES = 3;
/** No exact step of more than `FEW_STEPS` steps counts before this many rounded ones. */
const SURE_TOP = 8;
/** Levels above this are left to the reference. */
const MOST_TOP = 128;
const SLACK: f64 = 4.76837158203125e-7;

let least: f32 = 0;
let most: f32 = 0;

/** The steps of some groups. */
export function fitHiddenGroups(at: HiddenGroups): void {
  let out = at.out;
  let group = at.values;
  const step = 4 * <usize>at.length;
  for (let count = at.count; count > 0; count--) {
    fitGroup(at, group, group + step, out);
    group += step;
    out += 40;
  }
}

function write(out: usize, how: f64, scale: f64, lowest: f64, highest: f64): void {
  store<f64>(out, how);
  store<f64>(out, scale, 8);
  store<f64>(out, lowest, 16);
  store<f64>(out, highest, 24);
}

// @ts-ignore: decorator
@inline
function maxOf(v: v128): f32 {
  const half = f32x4.pmax(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return max(f32x4.extract_lane(half, 0), f32x4.extract_lane(half, 1));
}

// @ts-ignore: decorator
@inline
function minOf(v: v128): f32 {
  return -maxOf(f32x4.neg(v));
}

function fitGroup(at: HiddenGroups, start: usize, end: usize, out: usize): void {
  let low4 = f32x4.splat(0);
  let high4 = f32x4.splat(0);
  let largest4 = i32x4.splat(0);
  let zeros4 = i32x4.splat(0);
  let subnormal4 = i32x4.splat(0);
  const one4 = i32x4.splat(1);
  const normal4 = i32x4.splat(at.leastNormal - 1);
  for (let i = start; i < end; i += 16) {
    const v = v128.load(i);
    const magnitude = f32x4.abs(v);
    low4 = f32x4.pmin(low4, v);
    high4 = f32x4.pmax(high4, v);
    largest4 = i32x4.max_s(largest4, magnitude);
    zeros4 = i32x4.add(zeros4, f32x4.eq(v, f32x4.splat(0)));
    // 0 becomes the largest number without a sign
    subnormal4 = v128.or(subnormal4, i32x4.lt_u(i32x4.sub(magnitude, one4), normal4));
  }
  const lowest = minOf(low4);
  const highest = maxOf(high4);
  const zeros = -(i32x4.extract_lane(zeros4, 0) + i32x4.extract_lane(zeros4, 1) +
    i32x4.extract_lane(zeros4, 2) + i32x4.extract_lane(zeros4, 3));
  store<f64>(out, <f64>(<i32>((end - start) >> 2) - zeros), 32);
  const largest = max(highest, -lowest);
  // NaN, infinite, and numbers of fewer bits than the type has
  if (v128.any_true(v128.or(subnormal4, i32x4.ge_s(largest4, i32x4.splat(0x7f800000))))) {
    return write(out, LEFT, 0, 0, 0);
  }
  if (largest == 0) return write(out, EXACT, 0, 0, 0);
  const tops = at.dropped == 0 ? ALL_TOPS : likelyTops(at.dropped, start, largest, 1);
  const few = fewSteps(start, end, largest, tops);
  if (few < 0) return write(out, LEFT, 0, 0, 0);
  if (few > 0) return write(out, EXACT, few, <f64>lowest / few, <f64>highest / few);
  if (at.dropped == 0) {
    const exact = exactStep(start, end, largest);
    if (exact <= 0) return write(out, LEFT, 0, 0, 0);
    return write(out, EXACT, exact, <f64>lowest / exact, <f64>highest / exact);
  }
  const top = rounded(at, start, end, largest, tops, out);
  if (top < 0) return write(out, LEFT, 0, 0, 0);
  if (top == 0 || top > SURE_TOP) {
    // an exact step counts where it is not twice as fine
    const exact = exactStep(start, end, largest);
    if (exact < 0 || (exact == 0 && top == 0)) return write(out, LEFT, 0, 0, 0);
    if (exact > 0 && (top == 0 || top > <i32>floor(<f64>largest / exact / 2))) {
      return write(out, EXACT, exact, <f64>lowest / exact, <f64>highest / exact);
    }
  }
  const scale = load<f64>(out, 8);
  write(out, ROUNDED, scale, -floor(<f64>-lowest / scale + 0.5), floor(<f64>highest / scale + 0.5));
}

/** The greatest common step; 0 where there is none; negative where f32 products would not be exact. */
function exactStep(start: usize, end: usize, largest: f32): f64 {
  const bound: f64 = <f64>largest / MOST_STEPS;
  let step: f64 = 0;
  let step4 = f32x4.splat(0);
  let inverse4 = f32x4.splat(0);
  for (let i = start; i < end; i += 16) {
    const v = v128.load(i);
    if (i32x4.all_true(f32x4.eq(f32x4.mul(f32x4.nearest(f32x4.mul(v, inverse4)), step4), v))) continue;
    for (let lane: usize = 0; lane < 16; lane += 4) {
      let b: f64 = abs(<f64>load<f32>(i + lane));
      if (b == 0) continue;
      let a: f64 = step;
      if (a == 0) {
        step = b;
        continue;
      }
      while (b != 0) {
        if (!(b >= bound)) return 0;
        const rest = remainder(a, b);
        a = b;
        b = rest;
      }
      step = a;
    }
    if (step < bound) return 0;
    const single = <f32>step;
    // 16 significant bits at most: products with 8 bits are exact
    if ((reinterpret<i32>(single) & 0xff) != 0) return -1;
    step4 = f32x4.splat(single);
    inverse4 = f32x4.splat(<f32>(<f64>1 / step));
  }
  return <f64>largest <= MOST_STEPS * step ? step : 0;
}

/** Levels that one mask tells about, and the mask of all of them. */
const MASKED = 16;
/** The last level that a mask begins with: doubts of larger ones do not fit 16 bits. */
const MOST_MASKED = 33;
const ALL_TOPS: i32 = 0xffff;

/**
 * For sixteen levels of the largest magnitude, from `first` on, a bit each, the lowest one first: not set where one of the
 * first four floats cannot be an integer, once rounded. All arithmetic is in 2^-16 of a level, whose multiples of 1 vanish.
 */
function likelyTops(dropped: i32, start: usize, largest: f32, first: i32): i32 {
  const ratio4 = f32x4.mul(f32x4.div(f32x4.abs(v128.load(start)), f32x4.splat(largest)), f32x4.splat(65536));
  const parts = i32x4.trunc_sat_f32x4_s(ratio4);
  // what the roundings may do, and what was cut off
  const doubts = i32x4.add(
    i32x4.trunc_sat_f32x4_s(f32x4.mul(ratio4, f32x4.splat(doubtOf(dropped)))),
    i32x4.splat(3),
  );
  const low = i16x8.add(i16x8(0, 1, 2, 3, 4, 5, 6, 7), i16x8.splat(<i16>first));
  const high = i16x8.add(low, i16x8.splat(8));
  const far = v128.or(
    v128.or(
      areFar(i32x4.extract_lane(parts, 0), i32x4.extract_lane(doubts, 0), low, high),
      areFar(i32x4.extract_lane(parts, 1), i32x4.extract_lane(doubts, 1), low, high),
    ),
    v128.or(
      areFar(i32x4.extract_lane(parts, 2), i32x4.extract_lane(doubts, 2), low, high),
      areFar(i32x4.extract_lane(parts, 3), i32x4.extract_lane(doubts, 3), low, high),
    ),
  );
  return ~i8x16.bitmask(far) & ALL_TOPS;
}

/** A byte for each of sixteen levels: whether part × level, in 2^-16, is further from 0 than doubt × level. */
// @ts-ignore: decorator
@inline
function areFar(part: i32, doubt: i32, low: v128, high: v128): v128 {
  const part8 = i16x8.splat(<i16>part);
  const doubt8 = i16x8.splat(<i16>doubt);
  return i8x16.narrow_i16x8_s(
    i16x8.gt_s(i16x8.abs(i16x8.mul(part8, low)), i16x8.mul(doubt8, low)),
    i16x8.gt_s(i16x8.abs(i16x8.mul(part8, high)), i16x8.mul(doubt8, high)),
  );
}

/** Where a ratio times a level of the largest magnitude is no integer, for all that their roundings may do. */
// @ts-ignore: decorator
@inline
function isFar(ratio: v128, tops: v128, doubt4: v128): v128 {
  const t = f32x4.mul(ratio, tops);
  return f32x4.gt(f32x4.abs(f32x4.sub(t, f32x4.nearest(t))), f32x4.mul(t, doubt4));
}

/** The relative errors of two floats together, and a little. */
// @ts-ignore: decorator
@inline
function doubtOf(dropped: i32): f32 {
  return reinterpret<f32>((127 - 23 + dropped) << 23) * 1.02;
}

/** How far from an integer a float of a few steps may seem to be by the rounding of its quotient. */
const EXACT_DOUBT: f32 = 1e-5;

/**
 * The largest part of the largest magnitude, of a few, of which all floats are multiples: their greatest common step. 0:
 * there is none; negative: the reference decides.
 */
function fewSteps(start: usize, end: usize, largest: f32, tops: i32): f64 {
  const ratio4 = f32x4.div(f32x4.abs(v128.load(start)), f32x4.splat(largest));
  const other4 = f32x4.div(f32x4.abs(v128.load(end - 16)), f32x4.splat(largest));
  const doubt4 = f32x4.splat(EXACT_DOUBT);
  for (; tops != 0; tops &= tops - 1) {
    const top = 1 + ctz(tops);
    if (top > FEW_STEPS) return 0;
    const top4 = f32x4.splat(<f32>top);
    const t = f32x4.mul(ratio4, top4);
    const u = f32x4.mul(other4, top4);
    const far = f32x4.pmax(
      f32x4.abs(f32x4.sub(t, f32x4.nearest(t))),
      f32x4.abs(f32x4.sub(u, f32x4.nearest(u))),
    );
    if (v128.any_true(f32x4.gt(far, doubt4))) continue;
    const step = largest / <f32>top;
    if (<f64>step * <f64>top != <f64>largest) continue;
    // products of more than 16 significant bits with 8 bits are not exact
    if ((reinterpret<i32>(step) & 0xff) != 0) return -1;
    const step4 = f32x4.splat(step);
    const inverse4 = f32x4.splat(<f32>1 / step);
    let i = start;
    for (; i < end; i += 16) {
      const v = v128.load(i);
      if (!i32x4.all_true(f32x4.eq(f32x4.mul(f32x4.nearest(f32x4.mul(v, inverse4)), step4), v))) break;
    }
    if (i >= end) return <f64>step;
  }
  return 0;
}

/** a mod b for quotients far below 2^52: the product and the difference are exact, as both are multiples of one unit. */
function remainder(a: f64, b: f64): f64 {
  let rest = a - floor(a / b) * b;
  if (rest < 0) rest += b;
  if (rest >= b) rest -= b;
  return rest;
}

/**
 * The smallest level of the largest magnitude with which all are integers, and its scale to `out`. 0: there is none;
 * negative: the reference decides.
 */
function rounded(at: HiddenGroups, start: usize, end: usize, largest: f32, tops: i32, out: usize): i32 {
  const half = 1 << (at.dropped - 1);
  const lowLargest = reinterpret<f32>(reinterpret<i32>(largest) - half);
  const highLargest = reinterpret<f32>(reinterpret<i32>(largest) + half);
  const doubt4 = f32x4.splat(doubtOf(at.dropped));
  const ratio4 = f32x4.div(f32x4.abs(v128.load(start)), f32x4.splat(largest));
  const other4 = f32x4.div(f32x4.abs(v128.load(end - 16)), f32x4.splat(largest));
  for (let first = 1; first <= MOST_STEPS; first += MASKED) {
    if (first > 1) tops = first <= MOST_MASKED ? likelyTops(at.dropped, start, largest, first) : ALL_TOPS;
    for (; tops != 0; tops &= tops - 1) {
      const top = first + ctz(tops);
      if (top > MOST_STEPS) return 0;
      const top4 = f32x4.splat(<f32>top);
      if (v128.any_true(v128.or(isFar(ratio4, top4, doubt4), isFar(other4, top4, doubt4)))) continue;
      if (top > MOST_TOP) return -1;
      least = lowLargest / <f32>top;
      most = highLargest / <f32>top;
      const doubt: f32 = <f32>1 + reinterpret<f32>((127 - 23 + at.dropped) << 23);
      const certain = least / (most * doubt - least);
      // no level is larger than the largest one
      const isCertain = <f32>(top + 1) < certain;
      const isNarrow = isCertain ? narrowCertain(half, start, end) : narrow(half, doubt, start, end);
      if (!isNarrow) continue;
      const scale = chooseScale(at, start, end, top, isCertain);
      if (scale == 0) return -1;
      store<f64>(out, <f64>scale, 8);
      return top;
    }
  }
  return 0;
}

/** The first pass of `narrow`, where it is sure of every level. */
function narrowCertain(half: i32, start: usize, end: usize): bool {
  const half4 = i32x4.splat(half);
  const one4 = f32x4.splat(1);
  const inverse4 = f32x4.splat(<f32>2 / (least + most));
  let newLeast4 = f32x4.splat(least);
  let newMost4 = f32x4.splat(most);
  for (let i = start; i < end; i += 16) {
    const v = f32x4.abs(v128.load(i));
    const level = f32x4.floor(f32x4.add(f32x4.mul(v, inverse4), f32x4.splat(0.5)));
    // a float of 0 gives NaN and an infinite bound, which change nothing; another float of level 0 a bound that none meets
    const part = f32x4.div(one4, level);
    newLeast4 = f32x4.pmax(newLeast4, f32x4.mul(i32x4.sub(v, half4), part));
    newMost4 = f32x4.pmin(newMost4, f32x4.mul(i32x4.add(v, half4), part));
  }
  least = maxOf(newLeast4);
  most = minOf(newMost4);
  return least <= most * <f32>(1 + SLACK);
}

/** `narrowStep` in src/view/hidden-step.ts, on `least` and `most`. */
function narrow(half: i32, doubt: f32, start: usize, end: usize): bool {
  const half4 = i32x4.splat(half);
  const one4 = f32x4.splat(1);
  const zero4 = f32x4.splat(0);
  const slack: f32 = <f32>(1 + SLACK);
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    const inverse4 = f32x4.splat(<f32>2 / (least + most));
    const certain4 = f32x4.splat(least / (most * doubt - least));
    let newLeast4 = f32x4.splat(least);
    let newMost4 = f32x4.splat(most);
    let unsure4 = zero4;
    for (let i = start; i < end; i += 16) {
      const v = f32x4.abs(v128.load(i));
      const level = f32x4.floor(f32x4.add(f32x4.mul(v, inverse4), f32x4.splat(0.5)));
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
    if (least > most * slack) return false;
    if (!v128.any_true(unsure4)) return true;
  }
  return true;
}

/** `roundedFit` in src/view/hidden-scale.ts for an f16, bf16 or f32 scale in the middle of the bounds; 0: another one. */
function chooseScale(at: HiddenGroups, start: usize, end: usize, top: i32, isCertain: bool): f32 {
  const low = <f64>least * (1 - SLACK);
  const high = <f64>most * (1 + SLACK);
  const splits = max(1, MOST_SPLIT / top);
  for (let split = 1; split <= splits; split++) {
    const a = low / <f64>split;
    const b = high / <f64>split;
    const bits = reinterpret<i32>(<f32>((a + b) / 2));
    // subnormal f16 numbers, and too large ones
    if (bits < 0x38800000 || bits > 0x477fe000) return 0;
    const middle = <f64>reinterpret<f32>((bits + 0xfff + ((bits >> 13) & 1)) & ~0x1fff);
    // well within the bounds of levels that are certain, a scale gives every float
    const isInside = isCertain && middle > a * (1 + 4 * SLACK) && middle < b * (1 - 4 * SLACK);
    if (isInside && hasInexact(start, <f32>middle)) return <f32>middle;
    if (middle >= a && middle <= b) return holds(at.dropped, start, end, <f32>middle) ? <f32>middle : 0;
  }
  const single = <f32>((low + high) / 2);
  const bits = reinterpret<i32>(single);
  const bfloat = <f64>reinterpret<f32>((bits + 0x7fff + ((bits >> 16) & 1)) & ~0xffff);
  const scale = bfloat >= low && bfloat <= high ? <f32>bfloat : single;
  return holds(at.dropped, start, end, scale) ? scale : 0;
}

/** True where one of the first four floats is a product only once it is rounded. */
function hasInexact(start: usize, scale: f32): bool {
  const v = f32x4.abs(v128.load(start));
  const scale4 = f32x4.splat(scale);
  const level = f32x4.floor(f32x4.add(f32x4.div(v, scale4), f32x4.splat(0.5)));
  return v128.any_true(f32x4.ne(f32x4.mul(level, scale4), v));
}

/** True where a scale gives every float once it is rounded, and not all of them exactly. */
function holds(dropped: i32, start: usize, end: usize, scale: f32): bool {
  const scale4 = f32x4.splat(scale);
  const inverse4 = f32x4.splat(<f32>1 / scale);
  let far4 = i32x4.splat(0);
  for (let i = start; i < end; i += 16) {
    const v = f32x4.abs(v128.load(i));
    const level = f32x4.floor(f32x4.add(f32x4.mul(v, inverse4), f32x4.splat(0.5)));
    far4 = i32x4.max_u(far4, i32x4.abs(i32x4.sub(f32x4.mul(level, scale4), v)));
  }
  const half4 = i32x4.splat(1 << (dropped - 1));
  // products that are all exact are for the reference to find
  if (!v128.any_true(far4) || v128.any_true(i32x4.gt_u(far4, half4))) return false;
  return !v128.any_true(i32x4.eq(far4, half4)) || holdsTies(dropped, start, end, scale);
}

/** The same where some products lie in the middle between two floats: the even one is right. */
function holdsTies(dropped: i32, start: usize, end: usize, scale: f32): bool {
  const scale4 = f32x4.splat(scale);
  const inverse4 = f32x4.splat(<f32>1 / scale);
  const below4 = i32x4.splat((1 << (dropped - 1)) - 1);
  const kept4 = i32x4.splat(~((1 << dropped) - 1));
  for (let i = start; i < end; i += 16) {
    const v = f32x4.abs(v128.load(i));
    const level = f32x4.floor(f32x4.add(f32x4.mul(v, inverse4), f32x4.splat(0.5)));
    const product = f32x4.mul(level, scale4);
    const odd = v128.and(i32x4.shr_u(product, dropped), i32x4.splat(1));
    const rounded = v128.and(i32x4.add(i32x4.add(product, below4), odd), kept4);
    if (!i32x4.all_true(i32x4.eq(rounded, v))) return false;
  }
  return true;
}
