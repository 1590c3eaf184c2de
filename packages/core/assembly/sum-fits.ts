/** What the fits of some groups have in common: the kernel behind `takeSums` in src/view/hidden-facts.ts. */

import { FIT_BYTES } from "./hidden-groups";

/** Bits of a double that no f16, no bf16 and no power of two has. */
const BELOW_HALF: u64 = (1 << 42) - 1;
const BELOW_BFLOAT: u64 = (1 << 45) - 1;
const BELOW_POWER: u64 = (1 << 52) - 1;
const LEAST_HALF: f64 = 0.00006103515625;
const END_OF_HALVES: f64 = 65536;

// @ts-ignore: decorator
@inline
function first(v: v128): f64 {
  return f64x2.extract_lane(v, 0);
}

// @ts-ignore: decorator
@inline
function second(v: v128): f64 {
  return f64x2.extract_lane(v, 1);
}

/** Thirteen f64, in the order of `SUM` in src/view/hidden-facts.ts. `count` is not 0. */
export function sumFits(fits: usize, count: i32, out: usize): void {
  const none = f64x2.splat(0);
  const tiny = f64x2.splat(LEAST_HALF);
  // pairs of scale and smallest level, and of largest level and floats that are not 0
  let leasts = v128.load(fits, 8);
  let mosts = leasts;
  let highest = none;
  let sums = none;
  let spans = none;
  let evens = none;
  // pairs of the product of scale and smallest level, and of the scale
  let allBits = none;
  let mostOffsets = none;
  let tinyOffsets = none;
  let how: u64 = 0;
  for (const end = fits + FIT_BYTES * <usize>count; fits < end; fits += FIT_BYTES) {
    how |= load<u64>(fits);
    const own = v128.load(fits, 8);
    const next = v128.load(fits, 24);
    leasts = f64x2.pmin(leasts, own);
    mosts = f64x2.pmax(mosts, own);
    highest = f64x2.pmax(highest, next);
    sums = f64x2.add(sums, next);
    const low = v128.shuffle<i64>(own, own, 1, 1);
    spans = f64x2.pmax(spans, f64x2.sub(next, low));
    evens = f64x2.pmax(evens, v128.and(next, f64x2.eq(next, f64x2.neg(low))));
    const product = f64x2.mul(own, low);
    allBits = v128.or(allBits, v128.shuffle<i64>(product, own, 0, 2));
    const offset = f64x2.abs(product);
    mostOffsets = f64x2.pmax(mostOffsets, offset);
    tinyOffsets = v128.or(tinyOffsets, v128.and(f64x2.lt(offset, tiny), f64x2.gt(offset, none)));
  }
  const offsetBits = <u64>i64x2.extract_lane(allBits, 0);
  const scaleBits = <u64>i64x2.extract_lane(allBits, 1);
  const hasUsualOffsets = i64x2.extract_lane(tinyOffsets, 0) == 0 && first(mostOffsets) < END_OF_HALVES;
  store<f64>(out, how == reinterpret<u64>(1.0) ? 1 : 0);
  store<f64>(out, first(leasts), 8);
  store<f64>(out, first(mosts), 16);
  store<f64>(out, second(leasts), 24);
  store<f64>(out, second(mosts), 32);
  store<f64>(out, first(highest), 40);
  store<f64>(out, second(sums), 48);
  store<f64>(out, first(spans), 56);
  store<f64>(out, first(evens), 64);
  store<f64>(out, (scaleBits & BELOW_HALF) == 0 ? 1 : 0, 72);
  store<f64>(out, (scaleBits & BELOW_BFLOAT) == 0 ? 1 : 0, 80);
  store<f64>(out, (scaleBits & BELOW_POWER) == 0 ? 1 : 0, 88);
  store<f64>(out, hasUsualOffsets ? ((offsetBits & BELOW_HALF) == 0 ? 1 : 0) : -1, 96);
}
