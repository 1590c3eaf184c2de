import { e2m1Values, nearestE2m1, nearestSixteen } from "./e2m1";
import { bytesOf15, storeScaled } from "./lanes";

/** Twin of src/types/mxfp4.ts. */
export function dequantizeMXFP4(bytes: usize, blocks: i32, out: usize): void {
  const mask = bytesOf15();
  const table = e2m1Values();
  for (const end = out + ((<usize>blocks) << 7); out < end; bytes += 17, out += 128) {
    const d = f32x4.splat(halfScale(load<u8>(bytes)));
    const qs = v128.load(bytes, 1);
    storeScaled(out, i8x16.swizzle(table, v128.and(qs, mask)), d);
    storeScaled(out + 64, i8x16.swizzle(table, v128.and(i16x8.shr_u(qs, 4), mask)), d);
  }
}

/** 2^(e − 128): half the scale, since the code table is doubled. The two lowest are subnormal f32. */
// @ts-ignore: decorator
@inline
function halfScale(e: u32): f32 {
  return reinterpret<f32>(e < 2 ? <u32>0x200000 << e : (e - 1) << 23);
}

export function quantizeMXFP4(values: usize, blocks: i32, out: usize): void {
  for (; blocks > 0; blocks--, values += 128, out += 17) {
    let a = f32x4.splat(0);
    let b = a;
    for (let at: usize = 0; at < 128; at += 32) {
      a = f32x4.pmax(a, f32x4.abs(v128.load(values + at)));
      b = f32x4.pmax(b, f32x4.abs(v128.load(values + at, 16)));
    }
    a = f32x4.pmax(a, b);
    a = f32x4.pmax(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
    a = f32x4.pmax(a, v128.shuffle<i32>(a, a, 1, 0, 3, 2));
    const absMax = f32x4.extract_lane(a, 0);
    const e = absMax > 0 && absMax < Infinity ? <u8>(floorLog2(absMax) + 125) : 0;
    store<u8>(out, e);
    const d = halfScale(e);
    if (absMax < Infinity) {
      const scale = f32x4.splat(d);
      const low = nearestSixteen(values, scale);
      const high = nearestSixteen(values + 64, scale);
      v128.store(out, v128.or(low, i8x16.shl(high, 4)), 1);
    } else {
      for (let j: usize = 0; j < 16; j++) {
        const low = nearestE2m1(load<f32>(values + 4 * j), d);
        const high = nearestE2m1(load<f32>(values + 4 * j, 64), d);
        store<u8>(out + j, <u8>(low | (high << 4)), 1);
      }
    }
  }
}

/** How many f32 just below a power of two have a logarithm that rounds up to its exponent n, by ⌊log2 |n|⌋. */
const risers = memory.data<u8>([0, 1, 2, 5, 11, 22, 44, 88]);

/**
 * The floor of the base-2 logarithm after the logarithm is rounded to f32, as in ggml: 2^n × (1 − ε) counts as n where ε
 * × log2(e) is at most half the distance of f32 numbers below n, that is where ε ≤ ln 2 × 2^(⌊log2 |n|⌋ − 24).
 */
function floorLog2(value: f32): i32 {
  let bits = reinterpret<i32>(value);
  let shift = 0;
  if (bits < 0x00800000) {
    bits = reinterpret<i32>(value * <f32>16777216);
    shift = 24;
  }
  const exponent = (bits >> 23) - 127 - shift;
  const next = exponent + 1;
  const size = next > 0 ? next - 1 : -next;
  if (size == 0) return exponent;
  const below = 0x00800000 - (bits & 0x007fffff);
  return below <= <i32>load<u8>(risers + (31 - clz(size))) ? next : exponent;
}
