/**
 * Sub-blocks in lanes, for the searches of scale-search.ts and signed-search.ts. A group is four sub-blocks, one in each
 * lane: entry l of its values and weights holds weight l of all four, so that every lane adds its own numbers in their
 * order and gets the codec's sums.
 */
import { highHalves, interleaveHigh, interleaveLow, lowHalves } from "./lanes";

/** From one group to the next; from a group's values to its weights, and to the codes of the present candidate. */
export const GROUP: usize = 512;
export const WEIGHTS: usize = 2048;
export const CODES: usize = 4096;

/** Values of four groups, 32 entries of 16 bytes each; then their weights, and codes. */
export const values: usize = memory.data(6144);
export const weights: usize = values + WEIGHTS;

/** The scale that a search finds for each sub-block, up to 16. */
export const scales: usize = memory.data(64);

/** The numbers with which the best candidate computed its codes: nearest((value − start) × inverse), within the limits. */
export const inverses: usize = memory.data(64);
export const starts: usize = memory.data(64);

// prettier-ignore
const constants = memory.data<u32>([
  0x4b400000, 0x4b400000, 0x4b400000, 0x4b400000, // 1.5 × 2^23
  0x007fffff, 0x007fffff, 0x007fffff, 0x007fffff,
  0x00400000, 0x00400000, 0x00400000, 0x00400000,
]);

const opaque: usize = memory.data(4);

/** `value` in all lanes, by way of memory: V8 would rebuild a constant at every use within a loop. */
// @ts-ignore: decorator
@inline
export function splat(value: f32): v128 {
  store<f32>(opaque, value);
  return v128.load32_splat(opaque);
}

// @ts-ignore: decorator
@inline
export function splatInt(value: i32): v128 {
  store<i32>(opaque, value);
  return v128.load32_splat(opaque);
}

/** The codec's `nearestInt`, as integers. */
// @ts-ignore: decorator
@inline
export function nearestInts(value: v128): v128 {
  const bits = v128.and(f32x4.add(value, v128.load(constants)), v128.load(constants, 16));
  return i32x4.sub(bits, v128.load(constants, 32));
}

// @ts-ignore: decorator
@inline
export function nearestInt(value: f32): i32 {
  return (reinterpret<i32>(value + <f32>12582912) & 0x7fffff) - 0x400000;
}

/** `groups` × four sub-blocks of `count` values, one behind the other, to the lanes of the groups at `to`. */
export function transpose(from: usize, count: usize, groups: usize, to: usize): void {
  const stride: usize = count << 2;
  for (let group: usize = 0; group < groups; group++, from += 3 * stride, to += GROUP - (count << 4)) {
    for (const end = from + stride; from < end; from += 16, to += 64) {
      const a = v128.load(from);
      const b = v128.load(from + stride);
      const c = v128.load(from + 2 * stride);
      const d = v128.load(from + 3 * stride);
      const ab0 = interleaveLow(a, b);
      const cd0 = interleaveLow(c, d);
      const ab1 = interleaveHigh(a, b);
      const cd1 = interleaveHigh(c, d);
      v128.store(to, lowHalves(ab0, cd0));
      v128.store(to, highHalves(ab0, cd0), 16);
      v128.store(to, lowHalves(ab1, cd1), 32);
      v128.store(to, highHalves(ab1, cd1), 48);
    }
  }
}

/** Adds the squares of `count` values to a sum, in order. */
export function addSquares(from: usize, count: i32, sum: f32): f32 {
  for (const end = from + 4 * <usize>count; from < end; from += 4) {
    const value = load<f32>(from);
    sum += value * value;
  }
  return sum;
}

/** Twin of `importanceWeights` for a multiple of four values. */
// @ts-ignore: decorator
@inline
export function importanceWeights(from: usize, count: usize, variance: f32, importance: usize, to: usize): void {
  const base = f32x4.splat(variance);
  for (const end = from + 4 * count; from < end; from += 16, importance += 16, to += 16) {
    const value = v128.load(from);
    const root = f32x4.sqrt(f32x4.add(base, f32x4.mul(value, value)));
    v128.store(to, f32x4.mul(v128.load(importance), root));
  }
}

/** The sums of the weights of each sub-block of four groups of `count` values, added in order, to `to`. */
export function sumWeights(count: usize, to: usize): void {
  for (let group: usize = 0; group < 4; group++) {
    let sum = f32x4.splat(0);
    const from = weights + GROUP * group;
    for (let at = from; at < from + (count << 4); at += 16) sum = f32x4.add(sum, v128.load(at));
    v128.store(to + 16 * group, sum);
  }
}

/** The weights of four groups of `count` values: their squares. */
export function weighBySquare(count: usize): void {
  for (let group: usize = 0; group < 4; group++) {
    const from = values + GROUP * group;
    for (let at = from; at < from + (count << 4); at += 16) {
      const x = v128.load(at);
      v128.store(at, f32x4.mul(x, x), WEIGHTS);
    }
  }
}
