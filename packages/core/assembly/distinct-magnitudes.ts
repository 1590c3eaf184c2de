/** The different magnitudes of a block: twin of `gather` in src/view/hidden-scale.ts for numbers of bf16. */

import { maxOf, minOf } from "./hidden-scale";

/** A byte for each magnitude of bf16. All are 0 between two calls. */
let marks: usize = 0;

export function placeMarks(address: usize): void {
  marks = address;
}

/** Magnitudes of E4M3. */
const MOST_DISTINCT = 126;
/** More than the bf16 numbers from the smallest magnitude of E4M3 to the largest one: 18.8 powers of two of 128 numbers. */
const MOST_RANGE: usize = 2496;
/** Codes of subnormal numbers are below this. */
const LEAST_NORMAL: usize = 0x80;
const TOO_MANY = -1;
/** The reference decides. */
const UNSURE = -2;
/** Where the list begins: behind the smallest and the largest float, and the count of those that are not 0. */
const LIST = 16;

/**
 * Writes each magnitude that is not 0 once, in rising order, and returns how many these are; −1 where they are too many for
 * E4M3, or too far apart, or not finite; −2 where the reference decides. `length` is a multiple of 4; `step`: bytes from one run to the next.
 */
export function distinctMagnitudes(values: usize, runs: i32, length: i32, step: usize, out: usize): i32 {
  const runBytes = 4 * <usize>length;
  const zero4 = f32x4.splat(0);
  const one4 = i32x4.splat(1);
  let low4 = zero4;
  let high4 = zero4;
  let zeros4 = i32x4.splat(0);
  let largest4 = i32x4.splat(0);
  // bits of magnitudes less 1: 0 becomes the largest number without a sign
  let small4 = i32x4.splat(-1);
  for (let run = 0, start = values; run < runs; run++, start += step) {
    for (let i = start; i < start + runBytes; i += 16) {
      const v = v128.load(i);
      const magnitude = f32x4.abs(v);
      low4 = f32x4.pmin(low4, v);
      high4 = f32x4.pmax(high4, v);
      zeros4 = i32x4.add(zeros4, f32x4.eq(v, zero4));
      largest4 = i32x4.max_s(largest4, magnitude);
      small4 = i32x4.min_u(small4, i32x4.sub(magnitude, one4));
    }
  }
  store<f32>(out, minOf(low4));
  store<f32>(out, maxOf(high4), 4);
  store<i32>(out, runs * length + sumOf(zeros4), 8);
  if (v128.any_true(i32x4.ge_s(largest4, i32x4.splat(0x7f800000)))) return TOO_MANY;
  const last = <usize>(maxBits(largest4) >>> 16);
  if (last == 0) return 0;
  const first = <usize>((1 + minBits(small4)) >>> 16);
  if (last - first > MOST_RANGE) return TOO_MANY;
  // numbers of fewer bits fit several levels, and the first one counts
  if (first < LEAST_NORMAL) return UNSURE;
  for (let run = 0, start = values; run < runs; run++, start += step) {
    for (let i = start; i < start + runBytes; i += 16) {
      store<u8>(marks + <usize>(load<u16>(i, 2) & 0x7fff), 1);
      store<u8>(marks + <usize>(load<u16>(i, 6) & 0x7fff), 1);
      store<u8>(marks + <usize>(load<u16>(i, 10) & 0x7fff), 1);
      store<u8>(marks + <usize>(load<u16>(i, 14) & 0x7fff), 1);
    }
  }
  store<u8>(marks, 0);
  return listMarks(first, last, out + LIST);
}

/** Writes the magnitudes that are marked, as f32, and takes their marks away. */
function listMarks(first: usize, last: usize, list: usize): i32 {
  let count = 0;
  for (let code = first & ~15; code <= last; code += 16) {
    const sixteen = v128.load(marks + code);
    if (!v128.any_true(sixteen)) continue;
    v128.store(marks + code, i8x16.splat(0));
    for (let bits = i8x16.bitmask(i8x16.ne(sixteen, i8x16.splat(0))); bits != 0; bits &= bits - 1) {
      if (count++ < MOST_DISTINCT) store<u32>(list + 4 * (count - 1), (<u32>code + ctz(bits)) << 16);
    }
  }
  return count > MOST_DISTINCT ? TOO_MANY : count;
}

function sumOf(v: v128): i32 {
  const half = i32x4.add(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return i32x4.extract_lane(half, 0) + i32x4.extract_lane(half, 1);
}

function maxBits(v: v128): i32 {
  const half = i32x4.max_s(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return max(i32x4.extract_lane(half, 0), i32x4.extract_lane(half, 1));
}

function minBits(v: v128): u32 {
  const half = i32x4.min_u(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return min(<u32>i32x4.extract_lane(half, 0), <u32>i32x4.extract_lane(half, 1));
}
