/**
 * Twin of src/types/iq/nonlinear.ts: codes of 16 weights at once, in bytes, and the search for scales in lanes.
 *
 * The borders between codes are multiples of one half. Doubled, they are integers; below a border is where the floor of
 * the doubled value is less. Halved again, rounded down (f) and up (g), these fit bytes: even borders are compared with f,
 * odd ones with g. Each range of 16 values of f has at most one border of each kind inside, so its upper four bits look
 * up how many codes lie below the range and where its borders are (127: there is none).
 */
import { GROUP, scales, values, WEIGHTS } from "../sub-block-lanes";

// prettier-ignore
const tables = memory.data<i8>([
  0, 1, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 14, 14, 15,
  127, 127, 127, -74, -57, -42, 127, 127, 7, 19, 127, 61, 79, 127, 101, 127,
  -115, 127, -93, 127, 127, 127, -28, -4, 127, 32, 46, 127, 127, 127, 127, 127,
  -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
]);

// prettier-ignore
const constants = memory.data<u32>([
  0x43620000, 0x43620000, 0x43620000, 0x43620000, // 226: twice the last value
  0x4b400000, 0x4b400000, 0x4b400000, 0x4b400000, // 1.5 × 2^23
  0x0000ffff, 0x0000ffff, 0x0000ffff, 0x0000ffff,
  0x00010001, 0x00010001, 0x00010001, 0x00010001,
  0x08080808, 0x08080808, 0x08080808, 0x08080808,
  0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f,
  0xc3800000, 0xc3800000, 0xc3800000, 0xc3800000, // −256
  0x26901d7d, 0x26901d7d, 0x26901d7d, 0x26901d7d, // 1e-15
]);

/** The values of the codes at `address`. */
// @ts-ignore: decorator
@inline
export function nonlinearValues(): v128 {
  return v128.load(tables, 48);
}

/** The low 16 bits of each lane: the floor of a number within ±256; NaN and too much count as 226. */
// @ts-ignore: decorator
@inline
function doubledFloor(doubled: v128): v128 {
  const bounded = f32x4.pmax(f32x4.pmin(v128.load(constants), doubled), v128.load(constants, 96));
  const bits = f32x4.add(f32x4.floor(bounded), v128.load(constants, 16));
  return v128.and(bits, v128.load(constants, 32));
}

/** Codes of 16 weights, given as twice their quotient by the scale. */
// @ts-ignore: decorator
@inline
export function nonlinearCodes(a: v128, b: v128, c: v128, d: v128): v128 {
  const low = i16x8.narrow_i32x4_u(doubledFloor(a), doubledFloor(b));
  const high = i16x8.narrow_i32x4_u(doubledFloor(c), doubledFloor(d));
  const one = v128.load(constants, 48);
  const f = i8x16.narrow_i16x8_s(i16x8.shr_s(low, 1), i16x8.shr_s(high, 1));
  const g = i8x16.narrow_i16x8_s(i16x8.shr_s(i16x8.add(low, one), 1), i16x8.shr_s(i16x8.add(high, one), 1));
  const range = v128.and(i16x8.shr_u(f, 4), v128.load(constants, 80));
  const index = v128.xor(range, v128.load(constants, 64));
  const below = i8x16.swizzle(v128.load(tables), index);
  const evenBorder = i8x16.swizzle(v128.load(tables, 16), index);
  const oddBorder = i8x16.swizzle(v128.load(tables, 32), index);
  return i8x16.sub(i8x16.sub(below, i8x16.ge_s(f, evenBorder)), i8x16.ge_s(g, oddBorder));
}

const sums: usize = memory.data(32);

/** Σ weight × value × q and Σ weight × q² of a group under an inverse, to `sums`. */
function trySums(from: usize, inverse: v128): void {
  const doubled = f32x4.add(inverse, inverse);
  let qx = f32x4.splat(0);
  let qq = qx;
  for (const end = from + 512; from < end; from += 64) {
    const x0 = v128.load(from);
    const x1 = v128.load(from, 16);
    const x2 = v128.load(from, 32);
    const x3 = v128.load(from, 48);
    const codes = nonlinearCodes(
      f32x4.mul(doubled, x0),
      f32x4.mul(doubled, x1),
      f32x4.mul(doubled, x2),
      f32x4.mul(doubled, x3),
    );
    const bytes = i8x16.swizzle(v128.load(tables, 48), codes);
    const low = i16x8.extend_low_i8x16_s(bytes);
    const high = i16x8.extend_high_i8x16_s(bytes);
    const q0 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low));
    const q1 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low));
    const q2 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high));
    const q3 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high));
    const w0 = f32x4.mul(v128.load(from, WEIGHTS), q0);
    const w1 = f32x4.mul(v128.load(from, WEIGHTS + 16), q1);
    const w2 = f32x4.mul(v128.load(from, WEIGHTS + 32), q2);
    const w3 = f32x4.mul(v128.load(from, WEIGHTS + 48), q3);
    qx = f32x4.add(f32x4.add(qx, f32x4.mul(w0, x0)), f32x4.mul(w1, x1));
    qx = f32x4.add(f32x4.add(qx, f32x4.mul(w2, x2)), f32x4.mul(w3, x3));
    qq = f32x4.add(f32x4.add(qq, f32x4.mul(w0, q0)), f32x4.mul(w1, q1));
    qq = f32x4.add(f32x4.add(qq, f32x4.mul(w2, q2)), f32x4.mul(w3, q3));
  }
  v128.store(sums, qx);
  v128.store(sums, qq, 16);
}

/** Twin of `nonlinearScale` on groups of 32 values; results in `scales`. */
export function searchNonlinearScale(groups: usize): void {
  const zero = f32x4.splat(0);
  for (let group: usize = 0; group < groups; group++) {
    const from = values + GROUP * group;
    let max = zero;
    let absMax = zero;
    for (let at = from; at < from + 512; at += 16) {
      const x = v128.load(at);
      const magnitude = f32x4.abs(x);
      const larger = f32x4.gt(magnitude, absMax);
      max = v128.bitselect(x, max, larger);
      absMax = v128.bitselect(magnitude, absMax, larger);
    }
    // The first trial is the plain one, which sets the score to beat.
    trySums(from, f32x4.div(f32x4.splat(1), f32x4.div(max, f32x4.splat(127))));
    let sumX = v128.load(sums);
    let sumQ = v128.load(sums, 16);
    let scale = v128.and(f32x4.div(sumX, sumQ), f32x4.gt(sumQ, zero));
    let best = f32x4.mul(scale, sumX);
    for (let step = -7; step <= 7; step++) {
      trySums(from, f32x4.div(f32x4.splat(<f32>(step - 127)), max));
      sumX = v128.load(sums);
      sumQ = v128.load(sums, 16);
      const better = v128.and(
        f32x4.gt(sumQ, zero),
        f32x4.gt(f32x4.mul(sumX, sumX), f32x4.mul(best, sumQ)),
      );
      const trialScale = f32x4.div(sumX, sumQ);
      scale = v128.bitselect(trialScale, scale, better);
      best = v128.bitselect(f32x4.mul(trialScale, sumX), best, better);
    }
    const flat = f32x4.lt(absMax, v128.load(constants, 112));
    v128.store(scales + 16 * group, v128.andnot(scale, flat));
  }
}

/** 32 codes under an inverse scale, 16 bytes: low nibbles weights 0–15, high nibbles 16–31. */
export function packNonlinear(from: usize, inverse: f32, out: usize): void {
  const factor = f32x4.splat(inverse);
  const low = nonlinearCodes(
    doubledQuotient(from, factor),
    doubledQuotient(from + 16, factor),
    doubledQuotient(from + 32, factor),
    doubledQuotient(from + 48, factor),
  );
  const high = nonlinearCodes(
    doubledQuotient(from + 64, factor),
    doubledQuotient(from + 80, factor),
    doubledQuotient(from + 96, factor),
    doubledQuotient(from + 112, factor),
  );
  v128.store(out, v128.or(low, i8x16.shl(high, 4)));
}

/** Doubled after rounding, since the inverse of a small scale may be too large to double. */
// @ts-ignore: decorator
@inline
function doubledQuotient(from: usize, inverse: v128): v128 {
  const quotient = f32x4.mul(inverse, v128.load(from));
  return f32x4.add(quotient, quotient);
}
