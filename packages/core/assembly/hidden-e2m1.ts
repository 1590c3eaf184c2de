/** Groups of floats whose levels are E2M1 numbers: twin of `mxfp4Fit` and `nvfp4Fit` in src/view/hidden-table.ts. */

import { EXACT, FIT_BYTES, HiddenGroups, LEFT, ROUNDED, writeFit, writeNonzero } from "./hidden-groups";
import { maxOf, minOf } from "./hidden-scale";

/** By a level in halves: 0 where E2M1 has no such level, `THREE` for three times a power of two. */
// prettier-ignore
const isLevel = memory.data<u8>([1, 1, 1, 2, 1, 0, 2, 0, 1, 0, 0, 0, 2, 0, 0, 0], 16);
const THREE: i8 = 2;
/** A number whose f32 neighbours are 1 apart. */
const MAGIC: f32 = 8388608;
/** Levels that the largest magnitude can be at, the largest first. */
const tops = memory.data<f32>([12, 8, 6, 4, 3, 2, 1]);
const TOPS_END = 28;
const TOP: f32 = 12;
/** The smallest E4M3 number of four bits, and the largest one. */
const LEAST_NORMAL: f32 = 0.015625;
const MOST: f32 = 448;

/** Scales from here on have a reciprocal and products that are normal numbers of every type. */
const LEAST_SCALE = 0x01000000;
const MOST_SCALE = 0x7d000000;

/** The reference decides. */
const UNSURE = 0;
const NONE = 1;
const SOME_ROUNDED = 2;
const ALL_EXACT = 3;

/** Magnitudes of four groups, a lane for each. Longer groups are fitted one by one. */
const MOST_KEPT = 32;
const kept = memory.data(16 * MOST_KEPT, 16);

/** Numbers of four groups: how the group fits, size, reciprocal, levels of the extremes, floats that are not 0. */
const lanes = memory.data(96, 16);

/** The scales of some groups of 16, 32 … floats. Returns how many groups these are: all. */
export function fitE2m1Groups(at: HiddenGroups): i32 {
  const step = 4 * <usize>at.length;
  let out = at.out;
  let group = at.values;
  let left = at.count;
  for (; left >= 4 && at.length <= MOST_KEPT; left -= 4, out += 4 * FIT_BYTES, group += 4 * step) fitFour(at, group, step, out);
  for (; left > 0; left--, out += FIT_BYTES, group += step) fitGroup(at, group, group + step, out);
  return at.count;
}

/** Four groups, a lane for each, whose largest magnitude is at the largest level; others one by one. */
function fitFour(at: HiddenGroups, start: usize, step: usize, out: usize): void {
  const zero4 = f32x4.splat(0);
  const one4 = i32x4.splat(1);
  let low4 = zero4;
  let high4 = zero4;
  let zeros4 = i32x4.splat(0);
  // bits of magnitudes less 1: 0 becomes the largest number without a sign
  let small4 = i32x4.splat(-1);
  let largest4 = i32x4.splat(0);
  let place = kept;
  for (let i = start; i < start + step; i += 16) {
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
    place += 64;
    largest4 = i32x4.max_s(largest4, i32x4.max_s(i32x4.max_s(m0, m1), i32x4.max_s(m2, m3)));
    small4 = i32x4.min_u(small4, i32x4.min_u(i32x4.sub(m0, one4), i32x4.sub(m1, one4)));
    small4 = i32x4.min_u(small4, i32x4.min_u(i32x4.sub(m2, one4), i32x4.sub(m3, one4)));
  }
  // a group of zeros has no reciprocal
  let odd4 = v128.or(
    v128.or(i32x4.lt_u(small4, i32x4.splat(at.leastNormal)), i32x4.eq(largest4, i32x4.splat(0))),
    i32x4.ge_s(largest4, i32x4.splat(0x7f800000)),
  );
  let size4: v128;
  // an approximate reciprocal finds the same levels, which are far apart
  let inverse4: v128;
  if (at.factor == 0) {
    size4 = i32x4.sub(v128.and(largest4, i32x4.splat(0x7f800000)), i32x4.splat(3 << 23));
    inverse4 = f32x4.div(f32x4.splat(1), size4);
  } else {
    const factor = reinterpret<f32>(at.factor);
    const scale4 = f32x4.mul(largest4, f32x4.splat(<f32>2 / TOP / factor));
    if (at.isBounded) {
      odd4 = v128.or(odd4, f32x4.lt(scale4, f32x4.splat(LEAST_NORMAL)));
      odd4 = v128.or(odd4, f32x4.gt(scale4, f32x4.splat(MOST)));
    }
    const even4 = v128.and(i32x4.shr_u(scale4, 20), one4);
    const sum4 = i32x4.add(i32x4.add(scale4, i32x4.splat(0x7ffff)), even4);
    const rounded4 = v128.and(sum4, i32x4.splat(0xfff00000));
    size4 = f32x4.mul(f32x4.mul(rounded4, f32x4.splat(factor)), f32x4.splat(0.5));
    inverse4 = f32x4.div(f32x4.splat(TOP), largest4);
  }
  odd4 = v128.or(odd4, i32x4.lt_s(size4, i32x4.splat(LEAST_SCALE)));
  odd4 = v128.or(odd4, i32x4.gt_s(size4, i32x4.splat(MOST_SCALE)));
  v128.store(lanes, v128.andnot(checkLanes(at.dropped, place, size4, inverse4), odd4));
  v128.store(lanes, size4, 16);
  v128.store(lanes, inverse4, 32);
  v128.store(lanes, i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(low4, inverse4))), 48);
  v128.store(lanes, i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(high4, inverse4))), 64);
  v128.store(lanes, i32x4.add(zeros4, i32x4.splat(at.length)), 80);
  const least = at.factor == 0 ? ALL_EXACT : SOME_ROUNDED;
  for (let lane = lanes; lane < lanes + 16; lane += 4, start += step, out += FIT_BYTES) {
    const size = load<f32>(lane, 16);
    const how = load<i32>(lane);
    if (how < least) {
      fitGroup(at, start, start + step, out);
      continue;
    }
    writeFit(out, how == ALL_EXACT ? EXACT : ROUNDED, size, load<i32>(lane, 48), load<i32>(lane, 64));
    writeNonzero(out, load<i32>(lane, 80));
  }
}

function fitGroup(at: HiddenGroups, start: usize, end: usize, out: usize): void {
  let low4 = f32x4.splat(0);
  let high4 = f32x4.splat(0);
  let zeros4 = i32x4.splat(0);
  // bits of magnitudes less 1: 0 becomes the largest number without a sign
  let small4 = i32x4.splat(-1);
  let largest4 = i32x4.splat(0);
  const one4 = i32x4.splat(1);
  for (let i = start; i < end; i += 16) {
    const v = v128.load(i);
    low4 = f32x4.pmin(low4, v);
    high4 = f32x4.pmax(high4, v);
    zeros4 = i32x4.add(zeros4, f32x4.eq(v, f32x4.splat(0)));
    const magnitude = f32x4.abs(v);
    largest4 = i32x4.max_s(largest4, magnitude);
    small4 = i32x4.min_u(small4, i32x4.sub(magnitude, one4));
  }
  const lowest = minOf(low4);
  const highest = maxOf(high4);
  const half4 = i32x4.add(zeros4, i32x4.shuffle(zeros4, zeros4, 2, 3, 0, 1));
  writeNonzero(out, <i32>((end - start) >> 2) + i32x4.extract_lane(half4, 0) + i32x4.extract_lane(half4, 1));
  const largest = max(highest, -lowest);
  // NaN, infinite, and numbers where those of the type begin to have fewer bits
  const isOdd = v128.or(
    i32x4.lt_u(small4, i32x4.splat(at.leastNormal)),
    i32x4.ge_s(largest4, i32x4.splat(0x7f800000)),
  );
  if (v128.any_true(isOdd)) return writeFit(out, LEFT, 0, 0, 0);
  if (largest == 0) return writeFit(out, EXACT, 0, 0, 0);
  if (at.factor == 0) return fitPower(at, start, end, largest, lowest, highest, out);
  const factor = <f64>reinterpret<f32>(at.factor);
  for (let i = tops; i < tops + TOPS_END; i += 4) {
    const scale = nearestScale((2 * <f64>largest) / <f64>load<f32>(i) / factor, at.isBounded != 0);
    if (scale == 0) continue;
    // half of the scale, for levels in halves
    const size = (scale * reinterpret<f32>(at.factor)) / 2;
    if (!isUsual(size)) return writeFit(out, LEFT, 0, 0, 0);
    const how = check(at.dropped, start, end, size, <f32>1 / size);
    if (how == UNSURE) return writeFit(out, LEFT, 0, 0, 0);
    if (how != NONE) return writeLevels(out, how == ALL_EXACT ? EXACT : ROUNDED, size, lowest, highest);
  }
  writeFit(out, LEFT, 0, 0, 0);
}

/** A power of two, of which the largest magnitude is 8 to 15 halves; all floats are its multiples. */
function fitPower(at: HiddenGroups, start: usize, end: usize, largest: f32, lowest: f32, highest: f32, out: usize): void {
  const size = reinterpret<f32>((reinterpret<i32>(largest) & 0x7f800000) - (3 << 23));
  if (!isUsual(size) || check(at.dropped, start, end, size, <f32>1 / size) != ALL_EXACT) return writeFit(out, LEFT, 0, 0, 0);
  writeLevels(out, EXACT, size, lowest, highest);
}

function writeLevels(out: usize, how: f64, size: f32, lowest: f32, highest: f32): void {
  writeFit(out, how, size, <f64>-floor(-lowest / size + 0.5), <f64>floor(highest / size + 0.5));
}

/** `nearestE4m3` and `nearestOfFourBits` in src/view/hidden-table.ts. */
// @ts-ignore: decorator
@inline
function nearestScale(magnitude: f64, isBounded: bool): f32 {
  if (isBounded) {
    if (magnitude > 448.0 * (1.0 + 1.0 / 32.0)) return 0;
    if (magnitude < 0.015625) return <f32>(floor(magnitude * 512 + 0.5) / 512);
  }
  const bits = reinterpret<u32>(<f32>magnitude);
  const scale = reinterpret<f32>((bits + 0x7ffff + ((bits >> 20) & 1)) & 0xfff00000);
  return isBounded ? min<f32>(448, scale) : scale;
}

function isUsual(size: f32): bool {
  const sizeBits = reinterpret<i32>(size);
  return sizeBits >= LEAST_SCALE && sizeBits <= MOST_SCALE;
}

/** Whether a scale gives every float. Other levels than those of E2M1 give 0, which is no float that is not 0. */
function check(dropped: i32, start: usize, end: usize, size: f32, inverse: f32): i32 {
  const table = v128.load(isLevel);
  const scale4 = f32x4.splat(size);
  const inverse4 = f32x4.splat(inverse);
  const magic4 = f32x4.splat(MAGIC);
  let wrong = i8x16.splat(0);
  let threes = i8x16.splat(0);
  let far4 = i32x4.splat(0);
  for (let i = start; i < end; i += 64) {
    const a = f32x4.abs(v128.load(i));
    const b = f32x4.abs(v128.load(i, 16));
    const c = f32x4.abs(v128.load(i, 32));
    const d = f32x4.abs(v128.load(i, 48));
    // the lowest bits of these sums are the nearest integers
    const sumA = f32x4.add(f32x4.mul(a, inverse4), magic4);
    const sumB = f32x4.add(f32x4.mul(b, inverse4), magic4);
    const sumC = f32x4.add(f32x4.mul(c, inverse4), magic4);
    const sumD = f32x4.add(f32x4.mul(d, inverse4), magic4);
    const levels = i8x16.narrow_i16x8_u(
      i16x8.narrow_i32x4_s(i32x4.sub(sumA, magic4), i32x4.sub(sumB, magic4)),
      i16x8.narrow_i32x4_s(i32x4.sub(sumC, magic4), i32x4.sub(sumD, magic4)),
    );
    const kinds = i8x16.swizzle(table, levels);
    wrong = v128.or(wrong, i8x16.eq(kinds, i8x16.splat(0)));
    threes = v128.or(threes, i8x16.eq(kinds, i8x16.splat(THREE)));
    far4 = i32x4.max_u(
      far4,
      i32x4.max_u(
        i32x4.max_u(distance(sumA, scale4, a), distance(sumB, scale4, b)),
        i32x4.max_u(distance(sumC, scale4, c), distance(sumD, scale4, d)),
      ),
    );
  }
  const half4 = i32x4.splat(dropped == 0 ? 0 : 1 << (dropped - 1));
  if (v128.any_true(v128.or(wrong, i32x4.gt_u(far4, half4)))) return NONE;
  if (v128.any_true(far4)) return v128.any_true(i32x4.eq(far4, half4)) ? UNSURE : SOME_ROUNDED;
  // a product of 24 bits with 3 may have been rounded to f32 itself
  const triple: f32 = 3 * size;
  const isRounded = <f64>triple != 3 * <f64>size;
  return isRounded && v128.any_true(threes) ? UNSURE : ALL_EXACT;
}

/** The same for four groups whose magnitudes are in `kept`, a lane for each: 0 where the scale does not give every float. */
// @ts-ignore: decorator
@inline
function checkLanes(dropped: i32, end: usize, scale4: v128, inverse4: v128): v128 {
  const table = v128.load(isLevel);
  const magic4 = f32x4.splat(MAGIC);
  const zero4 = i32x4.splat(0);
  let wrong4 = zero4;
  let threes4 = zero4;
  let far4 = zero4;
  for (let i = kept; i < end; i += 32) {
    const a = v128.load(i);
    const b = v128.load(i, 16);
    const sumA = f32x4.add(f32x4.mul(a, inverse4), magic4);
    const sumB = f32x4.add(f32x4.mul(b, inverse4), magic4);
    // the other bytes of a lane are 0, and stay kinds of level 0
    const kindA = i8x16.swizzle(table, i32x4.sub(sumA, magic4));
    const kindB = i8x16.swizzle(table, i32x4.sub(sumB, magic4));
    wrong4 = v128.or(wrong4, v128.or(i8x16.eq(kindA, zero4), i8x16.eq(kindB, zero4)));
    threes4 = v128.or(threes4, v128.or(kindA, kindB));
    far4 = i32x4.max_u(far4, i32x4.max_u(distance(sumA, scale4, a), distance(sumB, scale4, b)));
  }
  const half4 = i32x4.splat(dropped == 0 ? 0 : 1 << (dropped - 1));
  const isRight4 = v128.not(v128.or(i32x4.gt_u(far4, half4), i32x4.ne(wrong4, zero4)));
  // a product of 24 bits with 3 may have been rounded to f32 itself
  const double4 = f32x4.add(scale4, scale4);
  const isRounded4 = f32x4.ne(f32x4.sub(f32x4.add(double4, scale4), double4), scale4);
  const hasThrees4 = i32x4.ne(v128.and(threes4, i32x4.splat(THREE)), zero4);
  const isExact4 = v128.andnot(i32x4.eq(far4, zero4), v128.and(isRounded4, hasThrees4));
  const isTied4 = v128.or(i32x4.eq(far4, zero4), i32x4.eq(far4, half4));
  const how4 = v128.bitselect(
    i32x4.splat(ALL_EXACT),
    v128.andnot(i32x4.splat(SOME_ROUNDED), isTied4),
    isExact4,
  );
  return v128.and(how4, isRight4);
}

/** From a product to its float, in f32 numbers. */
// @ts-ignore: decorator
@inline
function distance(sum: v128, scale4: v128, v: v128): v128 {
  const level = f32x4.sub(sum, f32x4.splat(MAGIC));
  return i32x4.abs(i32x4.sub(f32x4.mul(level, scale4), v));
}
