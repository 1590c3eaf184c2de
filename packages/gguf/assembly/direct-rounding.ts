/**
 * Twin of src/types/direct-rounding.ts: codes of four blocks of 32 at a time. The scales of the four are computed in the
 * lanes of one vector; special blocks (NaN, an extreme of both signs, a scale whose inverse overflows) take the scalar
 * path, which has the codec's own order of steps.
 */
import { narrowToHalves } from "./half";
import { bytesOf, highHalves, interleaveHigh, interleaveLow, lowHalves } from "./lanes";

/** Codes of the four blocks, 32 bytes each. */
export const codes: usize = memory.data(128);

/** The scale of each block as f16, in 32 bits; for ranges, its smallest value as well. */
export const scales: usize = memory.data(16);
export const mins: usize = memory.data(16);

const inverses: usize = memory.data(16);
const starts: usize = memory.data(16);
const padded: usize = memory.data(512);

// prettier-ignore
const constants = memory.data<u32>([
  0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff,
  0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000, // infinity
  0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000, // 1
  0x4b400000, 0x4b400000, 0x4b400000, 0x4b400000, // 1.5 × 2^23
  0x000000ff, 0x000000ff, 0x000000ff, 0x000000ff,
]);

/** `values` if there are four blocks, else a copy that is filled up with zeros. */
export function fourBlocks(values: usize, blocks: i32): usize {
  if (blocks >= 4) return values;
  memory.fill(padded, 0, 512);
  memory.copy(padded, values, (<usize>blocks) << 7);
  return padded;
}

// @ts-ignore: decorator
@inline
function acrossLanes(a: v128, b: v128, c: v128, d: v128, first: bool): v128 {
  const ab0 = interleaveLow(a, b);
  const ab1 = interleaveHigh(a, b);
  const cd0 = interleaveLow(c, d);
  const cd1 = interleaveHigh(c, d);
  if (first) {
    const ab = i32x4.max_s(ab0, ab1);
    const cd = i32x4.max_s(cd0, cd1);
    return i32x4.max_s(lowHalves(ab, cd), highHalves(ab, cd));
  }
  const ab = i32x4.max_u(ab0, ab1);
  const cd = i32x4.max_u(cd0, cd1);
  return i32x4.max_u(lowHalves(ab, cd), highHalves(ab, cd));
}

/** The largest of 32 values ≥ 0 in each lane: as integers, floats without a sign are in order. 0 where there is none. */
// @ts-ignore: decorator
@inline
function mostPositive(values: usize): v128 {
  let a = i32x4.max_s(v128.load(values), i32x4.splat(0));
  let b = v128.load(values, 16);
  a = i32x4.max_s(a, v128.load(values, 32));
  b = i32x4.max_s(b, v128.load(values, 48));
  a = i32x4.max_s(a, v128.load(values, 64));
  b = i32x4.max_s(b, v128.load(values, 80));
  a = i32x4.max_s(a, v128.load(values, 96));
  b = i32x4.max_s(b, v128.load(values, 112));
  return i32x4.max_s(a, b);
}

/** The most negative of 32 values in each lane: as unsigned integers, floats with a sign are above all others. */
// @ts-ignore: decorator
@inline
function mostNegative(values: usize): v128 {
  let a = v128.load(values);
  let b = v128.load(values, 16);
  a = i32x4.max_u(a, v128.load(values, 32));
  b = i32x4.max_u(b, v128.load(values, 48));
  a = i32x4.max_u(a, v128.load(values, 64));
  b = i32x4.max_u(b, v128.load(values, 80));
  a = i32x4.max_u(a, v128.load(values, 96));
  b = i32x4.max_u(b, v128.load(values, 112));
  return i32x4.max_u(a, b);
}

/** Values × inverse + offset without the fraction, at most `maxCode`: 16 codes, none of them negative. */
// @ts-ignore: decorator
@inline
function extremeCodes(values: usize, inverse: v128, offset: v128, maxCode: v128): v128 {
  const a = f32x4.trunc(f32x4.add(f32x4.mul(v128.load(values), inverse), offset));
  const b = f32x4.trunc(f32x4.add(f32x4.mul(v128.load(values, 16), inverse), offset));
  const c = f32x4.trunc(f32x4.add(f32x4.mul(v128.load(values, 32), inverse), offset));
  const d = f32x4.trunc(f32x4.add(f32x4.mul(v128.load(values, 48), inverse), offset));
  const magic = v128.load(constants, 48);
  const mask = v128.load(constants, 64);
  return i8x16.min_u(
    bytesOf(
      v128.and(f32x4.add(a, magic), mask),
      v128.and(f32x4.add(b, magic), mask),
      v128.and(f32x4.add(c, magic), mask),
      v128.and(f32x4.add(d, magic), mask),
    ),
    maxCode,
  );
}

/** Fills `codes` and `scales` for four blocks: the extreme becomes code 0, zero becomes `limit`. */
// @ts-ignore: decorator
@inline
export function roundFourToExtreme(values: usize, limit: i32): void {
  const positive = acrossLanes(
    mostPositive(values),
    mostPositive(values + 128),
    mostPositive(values + 256),
    mostPositive(values + 384),
    true,
  );
  // Without a negative value, this is the integer of some value ≥ 0, which is harmless: with the sign bit it would be
  // smaller or equal.
  const mostBelow = acrossLanes(
    mostNegative(values),
    mostNegative(values + 128),
    mostNegative(values + 256),
    mostNegative(values + 384),
    false,
  );
  const negative = v128.and(mostBelow, i32x4.shr_s(mostBelow, 31));
  const magnitude = v128.and(negative, v128.load(constants));
  const isNegative = i32x4.gt_s(magnitude, positive);
  const max = v128.bitselect(negative, positive, isNegative);
  const d = f32x4.div(max, f32x4.splat(-(<f32>limit)));
  const isZero = f32x4.eq(d, f32x4.splat(0));
  const inverse = v128.andnot(f32x4.div(v128.load(constants, 32), d), isZero);
  const infinity = v128.load(constants, 16);
  const isTie = v128.andnot(i32x4.eq(magnitude, positive), i32x4.eq(positive, i32x4.splat(0)));
  const isNan = v128.or(i32x4.gt_s(magnitude, infinity), i32x4.gt_s(positive, infinity));
  const overflows = i32x4.eq(v128.and(inverse, v128.load(constants)), infinity);
  if (v128.any_true(v128.or(v128.or(isTie, isNan), overflows))) {
    for (let block: usize = 0; block < 4; block++) roundToExtreme(values + 128 * block, limit, block);
    return;
  }
  v128.store(scales, narrowToHalves(d));
  v128.store(inverses, inverse);
  const offset = f32x4.splat(<f32>limit + 0.5);
  const maxCode = i8x16.splat(<i8>(2 * limit - 1));
  for (let block: usize = 0; block < 4; block++, values += 128) {
    const scale = v128.load32_splat(inverses + 4 * block);
    v128.store(codes + 32 * block, extremeCodes(values, scale, offset, maxCode));
    v128.store(codes + 32 * block, extremeCodes(values + 64, scale, offset, maxCode), 16);
  }
}

function roundToExtreme(values: usize, limit: i32, block: usize): void {
  let max: f32 = 0;
  let absMax: f32 = 0;
  for (let j: usize = 0; j < 32; j++) {
    const value = load<f32>(values + 4 * j);
    const magnitude = abs(value);
    if (absMax < magnitude) {
      absMax = magnitude;
      max = value;
    }
  }
  const d: f32 = max / -(<f32>limit);
  const inverse: f32 = d != 0 ? <f32>1 / d : 0;
  v128.store32_lane(scales + 4 * block, narrowToHalves(f32x4.splat(d)), 0);
  for (let j: usize = 0; j < 32; j++) {
    const shifted = load<f32>(values + 4 * j) * inverse + (<f32>limit + 0.5);
    // infinity and NaN become 0
    const code = abs(shifted) < 64 ? <i32>shifted : 0;
    store<u8>(codes + 32 * block + j, <u8>min(code, 2 * limit - 1));
  }
}

/** (Values − min) × inverse + ½ without the fraction, at most `maxCode`: 16 codes. NaN becomes 0. */
// @ts-ignore: decorator
@inline
function rangeCodes(values: usize, min: v128, inverse: v128, half: v128, maxCode: v128): v128 {
  const zero = f32x4.splat(0);
  const a = f32x4.add(f32x4.mul(f32x4.sub(v128.load(values), min), inverse), half);
  const b = f32x4.add(f32x4.mul(f32x4.sub(v128.load(values, 16), min), inverse), half);
  const c = f32x4.add(f32x4.mul(f32x4.sub(v128.load(values, 32), min), inverse), half);
  const d = f32x4.add(f32x4.mul(f32x4.sub(v128.load(values, 48), min), inverse), half);
  const magic = v128.load(constants, 48);
  const mask = v128.load(constants, 64);
  return i8x16.min_u(
    bytesOf(
      v128.and(f32x4.add(f32x4.trunc(f32x4.pmax(zero, a)), magic), mask),
      v128.and(f32x4.add(f32x4.trunc(f32x4.pmax(zero, b)), magic), mask),
      v128.and(f32x4.add(f32x4.trunc(f32x4.pmax(zero, c)), magic), mask),
      v128.and(f32x4.add(f32x4.trunc(f32x4.pmax(zero, d)), magic), mask),
    ),
    maxCode,
  );
}

// @ts-ignore: decorator
@inline
function smallest(values: usize): v128 {
  const first = v128.load32_splat(values);
  let a = f32x4.pmin(first, v128.load(values));
  let b = f32x4.pmin(first, v128.load(values, 16));
  a = f32x4.pmin(a, v128.load(values, 32));
  b = f32x4.pmin(b, v128.load(values, 48));
  a = f32x4.pmin(a, v128.load(values, 64));
  b = f32x4.pmin(b, v128.load(values, 80));
  a = f32x4.pmin(a, v128.load(values, 96));
  b = f32x4.pmin(b, v128.load(values, 112));
  return f32x4.pmin(a, b);
}

// @ts-ignore: decorator
@inline
function largest(values: usize): v128 {
  const first = v128.load32_splat(values);
  let a = f32x4.pmax(first, v128.load(values));
  let b = f32x4.pmax(first, v128.load(values, 16));
  a = f32x4.pmax(a, v128.load(values, 32));
  b = f32x4.pmax(b, v128.load(values, 48));
  a = f32x4.pmax(a, v128.load(values, 64));
  b = f32x4.pmax(b, v128.load(values, 80));
  a = f32x4.pmax(a, v128.load(values, 96));
  b = f32x4.pmax(b, v128.load(values, 112));
  return f32x4.pmax(a, b);
}

/** Fills `codes`, `scales` and `mins` for four blocks: codes in [0, maxCode] from the smallest value to the largest. */
// @ts-ignore: decorator
@inline
export function roundFourToRange(values: usize, maxCode: i32): void {
  let a = smallest(values);
  let b = smallest(values + 128);
  let c = smallest(values + 256);
  let d = smallest(values + 384);
  let ab = f32x4.pmin(interleaveLow(a, b), interleaveHigh(a, b));
  let cd = f32x4.pmin(interleaveLow(c, d), interleaveHigh(c, d));
  const min = f32x4.pmin(lowHalves(ab, cd), highHalves(ab, cd));
  a = largest(values);
  b = largest(values + 128);
  c = largest(values + 256);
  d = largest(values + 384);
  ab = f32x4.pmax(interleaveLow(a, b), interleaveHigh(a, b));
  cd = f32x4.pmax(interleaveLow(c, d), interleaveHigh(c, d));
  const max = f32x4.pmax(lowHalves(ab, cd), highHalves(ab, cd));
  const scale = f32x4.div(f32x4.sub(max, min), f32x4.splat(<f32>maxCode));
  const zero = f32x4.splat(0);
  const inverse = v128.andnot(f32x4.div(v128.load(constants, 32), scale), f32x4.eq(scale, zero));
  const overflows = f32x4.eq(inverse, v128.load(constants, 16));
  // A smallest value of zero has the sign of the first zero.
  if (v128.any_true(v128.or(f32x4.eq(min, zero), overflows))) {
    for (let block: usize = 0; block < 4; block++) roundToRange(values + 128 * block, maxCode, block);
    return;
  }
  v128.store(scales, narrowToHalves(scale));
  v128.store(mins, narrowToHalves(min));
  v128.store(inverses, inverse);
  v128.store(starts, min);
  const half = f32x4.splat(0.5);
  const most = i8x16.splat(<i8>maxCode);
  for (let block: usize = 0; block < 4; block++, values += 128) {
    const start = v128.load32_splat(starts + 4 * block);
    const factor = v128.load32_splat(inverses + 4 * block);
    v128.store(codes + 32 * block, rangeCodes(values, start, factor, half, most));
    v128.store(codes + 32 * block, rangeCodes(values + 64, start, factor, half, most), 16);
  }
}

function roundToRange(values: usize, maxCode: i32, block: usize): void {
  let min = load<f32>(values);
  let max = min;
  for (let j: usize = 1; j < 32; j++) {
    const value = load<f32>(values + 4 * j);
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const d: f32 = (max - min) / <f32>maxCode;
  const inverse: f32 = d != 0 ? <f32>1 / d : 0;
  v128.store32_lane(scales + 4 * block, narrowToHalves(f32x4.splat(d)), 0);
  v128.store32_lane(mins + 4 * block, narrowToHalves(f32x4.splat(min)), 0);
  for (let j: usize = 0; j < 32; j++) {
    const shifted = (load<f32>(values + 4 * j) - min) * inverse + <f32>0.5;
    const code = abs(shifted) < 64 ? <i32>shifted : 0;
    store<u8>(codes + 32 * block + j, <u8>min_i32(code, maxCode));
  }
}

// @ts-ignore: decorator
@inline
function min_i32(a: i32, b: i32): i32 {
  return a < b ? a : b;
}
