/**
 * Twin of src/types/iq/ternary.ts: what the searches of IQ1_S and IQ1_M share.
 *
 * Both try every split of a sorted sub-block and keep the one with the largest sumQx² / sumQ2, but by rounded numbers, so
 * that among nearly equal splits their order decides. Nearly always one split is better than all others by more than the
 * rounding error, and then neither order nor rounding matters: `findBest` only looks for such a split, starting from a
 * good guess, so that few candidates reach its branch. Where the best two are within `CLEAR` of each other, the same loop
 * runs by the codec's rule. (The rule rounds five times: 5 × 2^-24 is well below.)
 */
import { codebookIQ1 } from "./codebooks";
import { EIGHTS_MAP, nearestOfEight } from "./nearest";

/** 1 − 2^-19 */
export const CLEAR: f32 = 0.9999980926513672;

/** Up to 32 weights of the search; positions in sorted order and levels, as integers in lanes. */
export const weights: usize = memory.data(128);
export const ranks: usize = memory.data(128);
export const levels: usize = memory.data(128);

/** Values of the levels, shifted up and down, with a fourth that is not used. */
// prettier-ignore
export const shifted = memory.data<f32>([-0.875, 0.125, 1.125, 0, -1.125, -0.125, 0.875, 0]);

// prettier-ignore
const constants = memory.data<u32>([
  0x49800000, 0x49800000, 0x49800000, 0x49800000, // 2^20
  0x51800000, 0x51800000, 0x51800000, 0x51800000, // 2^36
  1, 3, 9, 27,
  81, 243, 729, 2187,
  0, 1, 2, 3,
]);

/** The largest magnitude of `count` values. NaN where values or `weights` are outside the range of these kernels. */
export function maxMagnitude(from: usize, count: usize): f32 {
  const zero = f32x4.splat(0);
  let ordinary = i32x4.splat(-1);
  let max = zero;
  for (let at: usize = 0; at < count << 2; at += 16) {
    const x = f32x4.abs(v128.load(from + at));
    const w = v128.load(weights + at);
    max = f32x4.pmax(max, x);
    ordinary = v128.and(ordinary, f32x4.le(x, v128.load(constants)));
    ordinary = v128.and(ordinary, v128.and(f32x4.ge(w, zero), f32x4.le(w, v128.load(constants, 16))));
  }
  if (!i32x4.all_true(ordinary)) return NaN;
  max = f32x4.pmax(max, v128.shuffle<i64>(max, max, 1, 0));
  return max2(f32x4.extract_lane(max, 0), f32x4.extract_lane(max, 1));
}

// @ts-ignore: decorator
@inline
function max2(a: f32, b: f32): f32 {
  return a > b ? a : b;
}

/** `ranks`: how many of the `count` values are less than each, or equal to it and before it. */
export function rank(from: usize, count: usize): void {
  const lanes = v128.load(constants, 64);
  const end = from + (count << 2);
  for (let to: usize = 0; to < count << 2; to += 16) {
    const here = from + to;
    const x = v128.load(here);
    let less = i32x4.splat(0);
    for (let at = from; at < here; at += 4) less = i32x4.sub(less, f32x4.le(v128.load32_splat(at), x));
    for (let i: usize = 0; i < 4; i++) {
      const other = v128.load32_splat(here + 4 * i);
      const equal = v128.and(f32x4.eq(other, x), i32x4.gt_s(lanes, i32x4.splat(<i32>i)));
      less = i32x4.sub(less, v128.or(f32x4.lt(other, x), equal));
    }
    for (let at = here + 16; at < end; at += 4) less = i32x4.sub(less, f32x4.lt(v128.load32_splat(at), x));
    v128.store(ranks + to, less);
  }
}

/** Twin of `assignLevels`. */
export function assignLevels(count: usize, split0: i32, split1: i32, mirrored: bool): void {
  const first = i32x4.splat(split0);
  const second = i32x4.splat(split1);
  for (let at: usize = 0; at < count << 2; at += 16) {
    const place = v128.load(ranks + at);
    const level = i32x4.neg(i32x4.add(i32x4.ge_s(place, first), i32x4.ge_s(place, second)));
    v128.store(levels + at, mirrored ? i32x4.sub(i32x4.splat(2), level) : level);
  }
}

// @ts-ignore: decorator
@inline
function total(four: v128): f32 {
  const two = f32x4.add(four, v128.shuffle<i64>(four, four, 1, 0));
  return f32x4.extract_lane(two, 0) + f32x4.extract_lane(two, 1);
}

/** Twin of `placeEight`, for the levels and weights at byte `at`; `values`: of the levels. */
export function placeEight(from: usize, at: usize, scale: f32, values: usize): i32 {
  const low = i32x4.mul(v128.load(levels + at), v128.load(constants, 32));
  const high = i32x4.mul(v128.load(levels + at, 16), v128.load(constants, 48));
  let index = i32x4.add(low, high);
  index = i32x4.add(index, v128.shuffle<i64>(index, index, 1, 0));
  const entry = load<i32>(
    codebookIQ1 + (<usize>(i32x4.extract_lane(index, 0) + i32x4.extract_lane(index, 1)) << 2),
  );
  if (entry >= 0) return entry;
  const x0 = v128.load(from + at);
  const x1 = v128.load(from + at, 16);
  const w0 = v128.load(weights + at);
  const w1 = v128.load(weights + at, 16);
  const squares = f32x4.add(f32x4.mul(f32x4.mul(w0, x0), x0), f32x4.mul(f32x4.mul(w1, x1), x1));
  // see nearest.ts
  const unit: f32 =
    scale * scale * total(f32x4.add(w0, w1)) * <f32>0.0005 +
    total(squares) * <f32>(1.0 / 65536.0) +
    <f32>7.52316384526264e-37;
  const code = nearestOfEight(
    codebookIQ1,
    entry,
    from + at,
    weights + at,
    scale * load<f32>(values),
    scale * load<f32>(values, 4),
    scale * load<f32>(values, 8),
    <f32>1 / unit,
  );
  for (let i: usize = 0; i < 8; i++) {
    store<u32>(levels + at + 4 * i, <u32>load<u8>(codebookIQ1 + EIGHTS_MAP + 8 * <usize>code + i) >> 1);
  }
  return -1 - <i32>code;
}

/** Twin of `ternaryScaleCode`. */
export function ternaryScaleCode(inverse: f32, scale: f32): u32 {
  const code = (reinterpret<i32>(<f32>0.5 * (inverse * scale - 1) + <f32>12582912) & 0x7fffff) - 0x400000;
  return <u32>max(0, min(7, code));
}
