import { loadHalf, narrowToHalves } from "./half";
import { bytesOf, highHalves, interleaveHigh, interleaveLow, lowHalves, storeScaled } from "./lanes";

/** Twin of src/types/q8_0.ts. */
export function dequantizeQ8_0(bytes: usize, blocks: i32, out: usize): void {
  for (const end = out + ((<usize>blocks) << 7); out < end; bytes += 34, out += 128) {
    const d = f32x4.splat(loadHalf(bytes));
    storeScaled(out, v128.load(bytes, 2), d);
    storeScaled(out + 64, v128.load(bytes, 18), d);
  }
}

// prettier-ignore
const constants = memory.data<u32>([
  0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff,
  0x80000000, 0x80000000, 0x80000000, 0x80000000,
  0x3effffff, 0x3effffff, 0x3effffff, 0x3effffff, // just below one half
  0x4b400000, 0x4b400000, 0x4b400000, 0x4b400000, // 1.5 × 2^23
  0x000000ff, 0x000000ff, 0x000000ff, 0x000000ff,
  0x42fe0000, 0x42fe0000, 0x42fe0000, 0x42fe0000, // 127
  0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000, // 1
  0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000, // infinity
]);

/** Four blocks' worth of values, or of bytes, for the last blocks of a call. */
const scratch: usize = memory.data(512);

/** Magnitudes of a block's 32 values, the largest of each lane, as integers: a NaN is larger than infinity. */
// @ts-ignore: decorator
@inline
function largest(values: usize): v128 {
  const magnitude = v128.load(constants);
  let a = v128.and(v128.load(values), magnitude);
  let b = v128.and(v128.load(values, 16), magnitude);
  a = i32x4.max_s(a, v128.and(v128.load(values, 32), magnitude));
  b = i32x4.max_s(b, v128.and(v128.load(values, 48), magnitude));
  a = i32x4.max_s(a, v128.and(v128.load(values, 64), magnitude));
  b = i32x4.max_s(b, v128.and(v128.load(values, 80), magnitude));
  a = i32x4.max_s(a, v128.and(v128.load(values, 96), magnitude));
  b = i32x4.max_s(b, v128.and(v128.load(values, 112), magnitude));
  return i32x4.max_s(a, b);
}

/**
 * The code of each value in the lowest byte of its lane: ties away from zero. Adding just below one half of the value's
 * own sign and dropping the fraction does that; adding 1.5 × 2^23 makes it an integer. Where the inverse is infinite,
 * infinities and NaNs come out as 0, as they must.
 */
// @ts-ignore: decorator
@inline
function codes(values: v128, inverse: v128): v128 {
  const scaled = f32x4.mul(values, inverse);
  const half = v128.or(v128.and(scaled, v128.load(constants, 16)), v128.load(constants, 32));
  const rounded = f32x4.trunc(f32x4.add(scaled, half));
  return v128.and(f32x4.add(rounded, v128.load(constants, 48)), v128.load(constants, 64));
}

// @ts-ignore: decorator
@inline
function quantizeBlock(values: usize, out: usize, d: i32, inverse: v128): void {
  store<u16>(out, <u16>d);
  for (let i: usize = 0; i < 2; i++, values += 64, out += 16) {
    v128.store(
      out,
      bytesOf(
        codes(v128.load(values), inverse),
        codes(v128.load(values, 16), inverse),
        codes(v128.load(values, 32), inverse),
        codes(v128.load(values, 48), inverse),
      ),
      2,
    );
  }
}

function quantizeFour(values: usize, out: usize): void {
  const m0 = largest(values);
  const m1 = largest(values + 128);
  const m2 = largest(values + 256);
  const m3 = largest(values + 384);
  const a = i32x4.max_s(interleaveLow(m0, m1), interleaveHigh(m0, m1));
  const b = i32x4.max_s(interleaveLow(m2, m3), interleaveHigh(m2, m3));
  const absMax = i32x4.max_s(lowHalves(a, b), highHalves(a, b));
  if (v128.any_true(i32x4.gt_s(absMax, v128.load(constants, 112)))) {
    for (let i: usize = 0; i < 4; i++) quantizeWithNan(values + 128 * i, out + 34 * i);
    return;
  }
  const d = f32x4.div(absMax, v128.load(constants, 80));
  const inverse = v128.and(f32x4.div(v128.load(constants, 96), d), f32x4.ne(d, f32x4.splat(0)));
  const halves = narrowToHalves(d);
  quantizeBlock(values, out, i32x4.extract_lane(halves, 0), v128.shuffle<i32>(inverse, inverse, 0, 0, 0, 0));
  quantizeBlock(
    values + 128,
    out + 34,
    i32x4.extract_lane(halves, 1),
    v128.shuffle<i32>(inverse, inverse, 1, 1, 1, 1),
  );
  quantizeBlock(
    values + 256,
    out + 68,
    i32x4.extract_lane(halves, 2),
    v128.shuffle<i32>(inverse, inverse, 2, 2, 2, 2),
  );
  quantizeBlock(
    values + 384,
    out + 102,
    i32x4.extract_lane(halves, 3),
    v128.shuffle<i32>(inverse, inverse, 3, 3, 3, 3),
  );
}

/** A block with NaNs: they are no maximum, and their code is 0. */
function quantizeWithNan(values: usize, out: usize): void {
  let absMax: f32 = 0;
  for (let i: usize = 0; i < 32; i++) {
    const magnitude = abs(load<f32>(values + 4 * i));
    if (magnitude > absMax) absMax = magnitude;
  }
  const d: f32 = absMax / 127;
  const inverse: f32 = d != 0 ? <f32>1 / d : 0;
  store<u16>(out, <u16>i32x4.extract_lane(narrowToHalves(f32x4.splat(d)), 0));
  const scale = f32x4.splat(inverse);
  for (let i: usize = 0; i < 32; i++) {
    const value = load<f32>(values + 4 * i);
    const code = value == value ? i32x4.extract_lane(codes(f32x4.splat(value), scale), 0) : 0;
    store<u8>(out + i, <u8>code, 2);
  }
}

export function quantizeQ8_0(values: usize, blocks: i32, out: usize): void {
  for (; blocks >= 4; blocks -= 4, values += 512, out += 136) quantizeFour(values, out);
  if (blocks > 0) {
    memory.fill(scratch, 0, 512);
    memory.copy(scratch, values, <usize>blocks << 7);
    quantizeFour(scratch, bytesScratch);
    memory.copy(out, bytesScratch, <usize>blocks * 34);
  }
}

const bytesScratch: usize = memory.data(136);
