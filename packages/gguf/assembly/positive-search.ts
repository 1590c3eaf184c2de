/** Twins of `searchPositiveScale` in src/types/scale-search.ts. */
import { CODES, GROUP, nearestInt, nearestInts, scales, values, WEIGHTS } from "./sub-block-lanes";

/** One number after the other, for the search that runs twice per super-block. */
export function searchPositiveScale(
  from: usize,
  count: usize,
  maxCode: i32,
  weighting: usize,
  codes: usize,
): f32 {
  let max: f32 = 0;
  for (let i: usize = 0; i < count; i++) {
    const value = load<f32>(from + 4 * i);
    if (value > max) max = value;
  }
  if (max < <f32>1e-15) {
    memory.fill(codes, 0, count);
    return 0;
  }
  let inverse: f32 = <f32>maxCode / max;
  const firstScale: f32 = <f32>1 / inverse;
  let bestError: f32 = 0;
  for (let i: usize = 0; i < count; i++) {
    const value = load<f32>(from + 4 * i);
    const code = nearestInt(inverse * value) & 255;
    const difference = value - firstScale * <f32>code;
    bestError += load<f32>(weighting + 4 * i) * difference * difference;
  }
  for (let step = -4; step <= 4; step++) {
    if (step == 0) continue;
    const trialInverse: f32 = (<f32>0.1 * <f32>step + <f32>maxCode) / max;
    const trialScale: f32 = <f32>1 / trialInverse;
    let error: f32 = 0;
    for (let i: usize = 0; i < count; i++) {
      const value = load<f32>(from + 4 * i);
      const code = min(maxCode, nearestInt(trialInverse * value));
      const difference = value - trialScale * <f32>code;
      error += load<f32>(weighting + 4 * i) * difference * difference;
    }
    if (error < bestError) {
      bestError = error;
      inverse = trialInverse;
    }
  }
  let sumLx: f32 = 0;
  let sumL2: f32 = 0;
  for (let i: usize = 0; i < count; i++) {
    const value = load<f32>(from + 4 * i);
    const code = min(maxCode, nearestInt(inverse * value));
    store<u8>(codes + i, <u8>code);
    const weight = load<f32>(weighting + 4 * i);
    sumLx += weight * value * <f32>code;
    sumL2 += weight * <f32>code * <f32>code;
  }
  for (let round = 0; round < 5; round++) {
    let changed = false;
    for (let i: usize = 0; i < count; i++) {
      const value = load<f32>(from + 4 * i);
      const weight = load<f32>(weighting + 4 * i);
      const code = <i32>load<u8>(codes + i);
      let otherLx = sumLx - weight * value * <f32>code;
      let otherL2 = sumL2 - weight * <f32>code * <f32>code;
      if (!(otherLx > 0 && otherL2 > 0)) continue;
      const newCode = min(maxCode, nearestInt((value * otherL2) / otherLx));
      if (newCode == code) continue;
      otherLx += weight * value * <f32>newCode;
      otherL2 += weight * <f32>newCode * <f32>newCode;
      if (otherLx * otherLx * sumL2 > sumLx * sumLx * otherL2) {
        store<u8>(codes + i, <u8>newCode);
        sumLx = otherLx;
        sumL2 = otherL2;
        changed = true;
      }
    }
    if (!changed) break;
  }
  return sumL2 > 0 ? sumLx / sumL2 : 0;
}

// prettier-ignore
const constants = memory.data<u32>([
  0x000000ff, 0x000000ff, 0x000000ff, 0x000000ff,
  0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000, // 1
  0x26901d7d, 0x26901d7d, 0x26901d7d, 0x26901d7d, // 1e-15
]);

/** A code as the codec keeps it, in a byte. */
// @ts-ignore: decorator
@inline
function byteOf(code: v128): v128 {
  return f32x4.convert_i32x4_s(v128.and(code, v128.load(constants)));
}

/** On `groups` of `count` values in lanes; results in `scales`. */
export function searchPositiveScales(groups: usize, count: usize, maxCode: i32): void {
  const size: usize = count << 4;
  const zero = f32x4.splat(0);
  const limit = i32x4.splat(maxCode);
  for (let group: usize = 0; group < groups; group++) {
    const from = values + GROUP * group;
    const end = from + size;
    let max = zero;
    for (let at = from; at < end; at += 16) max = f32x4.pmax(max, v128.load(at));
    let inverse = f32x4.div(f32x4.convert_i32x4_s(limit), max);
    const firstScale = f32x4.div(v128.load(constants, 16), inverse);
    let bestError = zero;
    for (let at = from; at < end; at += 16) {
      const x = v128.load(at);
      const code = byteOf(nearestInts(f32x4.mul(inverse, x)));
      const difference = f32x4.sub(x, f32x4.mul(firstScale, code));
      bestError = f32x4.add(bestError, f32x4.mul(f32x4.mul(v128.load(at, WEIGHTS), difference), difference));
    }
    for (let step = -4; step <= 4; step++) {
      if (step == 0) continue;
      const trialInverse = f32x4.div(f32x4.splat(<f32>0.1 * <f32>step + <f32>maxCode), max);
      const trialScale = f32x4.div(v128.load(constants, 16), trialInverse);
      let error = zero;
      for (let at = from; at < end; at += 16) {
        const x = v128.load(at);
        const code = f32x4.convert_i32x4_s(i32x4.min_s(limit, nearestInts(f32x4.mul(trialInverse, x))));
        const difference = f32x4.sub(x, f32x4.mul(trialScale, code));
        error = f32x4.add(error, f32x4.mul(f32x4.mul(v128.load(at, WEIGHTS), difference), difference));
      }
      const better = f32x4.lt(error, bestError);
      bestError = v128.bitselect(error, bestError, better);
      inverse = v128.bitselect(trialInverse, inverse, better);
    }
    let sumX = zero;
    let sumL = zero;
    for (let at = from; at < end; at += 16) {
      const x = v128.load(at);
      const w = v128.load(at, WEIGHTS);
      const integer = i32x4.min_s(limit, nearestInts(f32x4.mul(inverse, x)));
      const code = f32x4.convert_i32x4_s(integer);
      v128.store(at, byteOf(integer), CODES);
      sumX = f32x4.add(sumX, f32x4.mul(f32x4.mul(w, x), code));
      sumL = f32x4.add(sumL, f32x4.mul(f32x4.mul(w, code), code));
    }
    for (let round = 0; round < 5; round++) {
      let changed = i32x4.splat(0);
      for (let at = from; at < end; at += 16) {
        const x = v128.load(at);
        const w = v128.load(at, WEIGHTS);
        const code = v128.load(at, CODES);
        const wx = f32x4.mul(w, x);
        const otherX = f32x4.sub(sumX, f32x4.mul(wx, code));
        const otherL = f32x4.sub(sumL, f32x4.mul(f32x4.mul(w, code), code));
        const integer = i32x4.min_s(limit, nearestInts(f32x4.div(f32x4.mul(x, otherL), otherX)));
        const newCode = f32x4.convert_i32x4_s(integer);
        const positive = v128.and(f32x4.gt(otherX, zero), f32x4.gt(otherL, zero));
        const moves = v128.and(positive, f32x4.ne(newCode, code));
        // Most codes stay, so with a branch the processor predicts that none moves and goes on.
        if (v128.any_true(moves)) {
          const newX = f32x4.add(otherX, f32x4.mul(wx, newCode));
          const newL = f32x4.add(otherL, f32x4.mul(f32x4.mul(w, newCode), newCode));
          const isBetter = f32x4.gt(
            f32x4.mul(f32x4.mul(newX, newX), sumL),
            f32x4.mul(f32x4.mul(sumX, sumX), newL),
          );
          const taken = v128.and(moves, isBetter);
          v128.store(at, v128.bitselect(byteOf(integer), code, taken), CODES);
          sumX = v128.bitselect(newX, sumX, taken);
          sumL = v128.bitselect(newL, sumL, taken);
          changed = v128.or(changed, taken);
        }
      }
      // A sub-block without a change would not change in another round either.
      if (!v128.any_true(changed)) break;
    }
    const none = v128.or(f32x4.lt(max, v128.load(constants, 32)), v128.not(f32x4.gt(sumL, zero)));
    v128.store(scales + 16 * group, v128.andnot(f32x4.div(sumX, sumL), none));
  }
}
