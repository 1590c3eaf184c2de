import { nearestInt } from "./sub-block-lanes";

/** Twin of `searchPositiveScale` in src/types/scale-search.ts, one number after the other: it runs twice per super-block. */
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
