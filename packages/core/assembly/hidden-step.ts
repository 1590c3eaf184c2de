/**
 * Twin of `integerFit` in src/view/hidden-scale.ts: the step of each group of floats. It answers where the answer is certain
 * to be that of the reference; else it leaves the group to it.
 */

import { EXACT, FIT_BYTES, HiddenGroups, LEFT, ROUNDED, writeFit, writeNonzero } from "./hidden-groups";
import { fitFourGroups, found, MOST_LANES } from "./hidden-lanes";
import { EXACT_DOUBT, FEW_STEPS, foundScale, isExact, keepSmall, MOST_STEPS, maxOf, mayHaveStep, minOf, partOf, roundedSteps } from "./hidden-scale";

/** No exact step of more than `FEW_STEPS` steps counts before this many rounded ones. */
const SURE_TOP = 8;

/** The steps of some groups. Ends after a group that it leaves to the reference, and returns how many groups it looked at. */
export function fitHiddenGroups(at: HiddenGroups): i32 {
  const step = 4 * <usize>at.length;
  const isShort = at.dropped != 0 && at.length <= MOST_LANES;
  let out = at.out;
  let group = at.values;
  let done = 0;
  while (done < at.count) {
    const isFour = isShort && at.count - done >= 4;
    const fitted = isFour ? fitFourGroups(at, group) : 0;
    const lanes = isFour ? 4 : 1;
    for (let lane = 0; lane < lanes; lane++) {
      done++;
      if ((fitted & (1 << lane)) != 0) writeLane(found + 4 * <usize>lane, out);
      else fitGroup(at, group, group + step, out);
      if (load<f64>(out) == LEFT) return done;
      group += step;
      out += FIT_BYTES;
    }
  }
  return at.count;
}

/** One of four groups. */
function writeLane(lane: usize, out: usize): void {
  writeNonzero(out, load<i32>(lane, 48));
  writeRounded(out, load<f32>(lane), load<f32>(lane, 16), load<f32>(lane, 32));
}

/** Rounded steps, but where their levels are more than codes have. */
function writeRounded(out: usize, scale: f64, lowest: f64, highest: f64): void {
  const min = -floor(-lowest / scale + 0.5);
  const max = floor(highest / scale + 0.5);
  if (max - min > MOST_STEPS) return writeFit(out, LEFT, 0, 0, 0);
  writeFit(out, ROUNDED, scale, min, max);
}

/** An exact step, but where its levels are more than codes have: rounded ones are for the reference to find then. */
function writeExact(out: usize, step: f64, lowest: f64, highest: f64): void {
  if (highest - lowest > MOST_STEPS * step) return writeFit(out, LEFT, 0, 0, 0);
  writeFit(out, EXACT, step, lowest / step, highest / step);
}

/** The largest of four integers. */
// @ts-ignore: decorator
@inline
function maxBits(v: v128): i32 {
  const half = i32x4.max_s(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return i32x4.extract_lane(i32x4.max_s(half, i32x4.shuffle(half, half, 1, 0, 3, 2)), 0);
}

/** The smallest magnitude of bits that are one too small. */
// @ts-ignore: decorator
@inline
function smallestOf(small4: v128): f32 {
  const half = i32x4.min_u(small4, i32x4.shuffle(small4, small4, 2, 3, 0, 1));
  const all = i32x4.min_u(half, i32x4.shuffle(half, half, 1, 0, 3, 2));
  return reinterpret<f32>(1 + i32x4.extract_lane(all, 0));
}

function fitGroup(at: HiddenGroups, start: usize, end: usize, out: usize): void {
  let low4 = f32x4.splat(0);
  let high4 = f32x4.splat(0);
  let largest4 = i32x4.splat(0);
  let zeros4 = i32x4.splat(0);
  // magnitudes less 1, as bits: 0 becomes the largest number without a sign
  let small4 = i32x4.splat(-1);
  let next4 = i32x4.splat(-1);
  const one4 = i32x4.splat(1);
  for (let i = start; i < end; i += 16) {
    const v = v128.load(i);
    const magnitude = f32x4.abs(v);
    low4 = f32x4.pmin(low4, v);
    high4 = f32x4.pmax(high4, v);
    largest4 = i32x4.max_s(largest4, magnitude);
    zeros4 = i32x4.add(zeros4, f32x4.eq(v, f32x4.splat(0)));
    const own = i32x4.sub(magnitude, one4);
    next4 = i32x4.min_u(next4, i32x4.max_u(small4, own));
    small4 = i32x4.min_u(small4, own);
  }
  const lowest = minOf(low4);
  const highest = maxOf(high4);
  const half4 = i32x4.add(zeros4, i32x4.shuffle(zeros4, zeros4, 2, 3, 0, 1));
  const nonzero = <i32>((end - start) >> 2) + i32x4.extract_lane(half4, 0) + i32x4.extract_lane(half4, 1);
  writeNonzero(out, nonzero);
  const largest = reinterpret<f32>(maxBits(largest4));
  // NaN, infinite, and numbers of fewer bits than the type has
  const isOdd = v128.or(
    i32x4.lt_u(small4, i32x4.splat(at.leastNormal - 1)),
    i32x4.ge_s(largest4, i32x4.splat(0x7f800000)),
  );
  if (v128.any_true(isOdd)) return writeFit(out, LEFT, 0, 0, 0);
  if (largest == 0) return writeFit(out, EXACT, 0, 0, 0);
  const inverse4 = f32x4.splat(<f32>1 / largest);
  small4 = i32x4.add(small4, one4);
  next4 = i32x4.add(next4, one4);
  keepSmall(small4, next4);
  const parts4 = f32x4.mul(small4, inverse4);
  const nextParts4 = f32x4.mul(next4, inverse4);
  if (at.dropped == 0) {
    const smallest = smallestOf(i32x4.sub(small4, one4));
    let step = fewSteps(start, end, largest, smallest);
    if (step == 0) step = exactStep(start, end, largest);
    if (step <= 0) return writeFit(out, LEFT, 0, 0, 0);
    return writeExact(out, step, lowest, highest);
  }
  const top = roundedSteps(at.dropped, start, end, largest, parts4, nextParts4);
  if (top < 0) return writeFit(out, LEFT, 0, 0, 0);
  const scale = <f64>foundScale;
  if (top > 0 && isExact) return writeExact(out, scale, lowest, highest);
  if (top == 0 || top > SURE_TOP) {
    // an exact step counts where it is not twice as fine
    const step = mayHaveStep(largest, smallestOf(i32x4.sub(small4, one4))) ? exactStep(start, end, largest) : 0;
    if (step < 0 || (step == 0 && top == 0)) return writeFit(out, LEFT, 0, 0, 0);
    if (step > 0 && (top == 0 || top > <i32>floor(<f64>largest / step / 2))) {
      return writeExact(out, step, lowest, highest);
    }
  }
  writeRounded(out, scale, lowest, highest);
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

/**
 * The largest part of the largest magnitude, of a few, of which all floats are multiples: their greatest common step. 0:
 * there is none; negative: the reference decides.
 */
function fewSteps(start: usize, end: usize, largest: f32, smallest: f32): f64 {
  const ratio = largest / smallest;
  for (let level: f32 = 1; level <= <f32>FEW_STEPS; level++) {
    // the level of the largest magnitude, where the smallest one has this level
    const quotient = level * ratio;
    const top = nearest(quotient);
    if (top > <f32>FEW_STEPS) return 0;
    if (abs(quotient - top) > EXACT_DOUBT) continue;
    const step = partOf(largest, <i32>top, start, end);
    if (step != 0) return step;
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
