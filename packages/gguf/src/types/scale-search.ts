/**
 * The searches that choose a sub-block's scale (and min), shared by the legacy types with an importance matrix, the
 * K-quants and the IQ types. Each minimises a weighted squared error over a few candidate scales.
 * Every sum runs in index order and rounds to f32 at each step: the result's bits are ggml's.
 * Source: ggml, src/ggml-quants.c (make_qx_quants, make_q3_quants, make_qkx2_quants, make_qkx3_quants, make_qp_quants).
 */
import { nearestInt } from "./rounding.ts";

const fround = Math.fround;

/** Below this largest magnitude a group counts as all zero. */
export const GROUP_EPSILON: number = fround(1e-15);

const TENTH: number = fround(0.1);

/** The codes of sub-blocks of `length` weights each, as views; made once and not for each call of a search. */
export function subBlocksOf(codes: Uint8Array, length: number): readonly Uint8Array[] {
  return Array.from({ length: codes.length / length }, (_, j) =>
    codes.subarray(length * j, length * j + length),
  );
}

/** The longest sub-block of all callers. */
const MAX_GROUP = 64;

const weighted: Float32Array = /* @__PURE__ */ new Float32Array(MAX_GROUP);
const trialCodes: Uint8Array = /* @__PURE__ */ new Uint8Array(MAX_GROUP);

function clampSigned(code: number, limit: number): number {
  if (code < -limit) return -limit;
  return code < limit ? code : limit - 1;
}

/**
 * Symmetric codes in [−limit, limit), stored plus `limit` (0 throughout for an all-zero group).
 * The extreme value takes −limit first; 18 nearby scales are tried.
 * There is a value, from `start` on, and a weight for each of `codes`.
 * `weights` may be undefined: then each weight is the square of its value.
 */
export function searchScale(
  values: Float32Array,
  start: number,
  limit: number,
  weights: Float32Array | undefined,
  codes: Uint8Array,
): number {
  const count = codes.length;
  let max = 0;
  let absMax = 0;
  for (let i = 0; i < count; i++) {
    const value = values[start + i]!;
    const magnitude = Math.abs(value);
    if (magnitude > absMax) {
      absMax = magnitude;
      max = value;
    }
  }
  if (absMax < GROUP_EPSILON) {
    codes.fill(0);
    return 0;
  }
  let inverse = fround(-limit / max);
  let sumLx = 0;
  let sumL2 = 0;
  for (let i = 0; i < count; i++) {
    const value = values[start + i]!;
    const weight = weights === undefined ? fround(value * value) : weights[i]!;
    const weightedValue = fround(weight * value);
    weighted[i] = weightedValue;
    const code = clampSigned(nearestInt(fround(inverse * value)), limit);
    codes[i] = code + limit;
    sumLx = fround(sumLx + fround(weightedValue * code));
    sumL2 = fround(sumL2 + fround(fround(weight * code) * code));
  }
  let scale = sumL2 !== 0 ? fround(sumLx / sumL2) : 0;
  let best = fround(scale * sumLx);
  for (let step = -9; step <= 9; step++) {
    if (step === 0) continue;
    inverse = fround(-fround(limit + fround(TENTH * step)) / max);
    sumLx = 0;
    sumL2 = 0;
    for (let i = 0; i < count; i++) {
      const value = values[start + i]!;
      const weight = weights === undefined ? fround(value * value) : weights[i]!;
      const code = clampSigned(nearestInt(fround(inverse * value)), limit);
      sumLx = fround(sumLx + fround(weighted[i]! * code));
      sumL2 = fround(sumL2 + fround(fround(weight * code) * code));
    }
    if (sumL2 > 0 && fround(sumLx * sumLx) > fround(best * sumL2)) {
      for (let i = 0; i < count; i++) {
        codes[i] = limit + clampSigned(nearestInt(fround(inverse * values[start + i]!)), limit);
      }
      scale = fround(sumLx / sumL2);
      best = fround(scale * sumLx);
    }
  }
  return scale;
}

const signedCodes: Int32Array = /* @__PURE__ */ new Int32Array(MAX_GROUP);

/**
 * Symmetric codes in [−limit, limit), stored plus `limit` (0 throughout for an all-zero group), found by moving one
 * code at a time, at most five rounds. There is a value, from `start` on, for each of `codes`; its weight is its square.
 */
export function searchScaleByCode(
  values: Float32Array,
  start: number,
  limit: number,
  codes: Uint8Array,
): number {
  const count = codes.length;
  let max = 0;
  let absMax = 0;
  for (let i = 0; i < count; i++) {
    const value = values[start + i]!;
    const magnitude = Math.abs(value);
    if (magnitude > absMax) {
      absMax = magnitude;
      max = value;
    }
  }
  if (absMax < GROUP_EPSILON) {
    codes.fill(0);
    return 0;
  }
  const inverse = fround(-limit / max);
  let sumLx = 0;
  let sumL2 = 0;
  for (let i = 0; i < count; i++) {
    const value = values[start + i]!;
    const code = clampSigned(nearestInt(fround(inverse * value)), limit);
    signedCodes[i] = code;
    const weight = fround(value * value);
    sumLx = fround(sumLx + fround(fround(weight * value) * code));
    sumL2 = fround(sumL2 + fround(fround(weight * code) * code));
  }
  for (let round = 0; round < 5; round++) {
    let changed = false;
    for (let i = 0; i < count; i++) {
      const value = values[start + i]!;
      const weight = fround(value * value);
      const weightedValue = fround(weight * value);
      const code = signedCodes[i]!;
      let otherLx = fround(sumLx - fround(weightedValue * code));
      if (!(otherLx > 0)) continue;
      let otherL2 = fround(sumL2 - fround(fround(weight * code) * code));
      const newCode = clampSigned(nearestInt(fround(fround(value * otherL2) / otherLx)), limit);
      if (newCode === code) continue;
      otherLx = fround(otherLx + fround(weightedValue * newCode));
      otherL2 = fround(otherL2 + fround(fround(weight * newCode) * newCode));
      if (
        otherL2 > 0 &&
        fround(fround(otherLx * otherLx) * sumL2) > fround(fround(sumLx * sumLx) * otherL2)
      ) {
        signedCodes[i] = newCode;
        sumLx = otherLx;
        sumL2 = otherL2;
        changed = true;
      }
    }
    if (!changed) break;
  }
  for (let i = 0; i < count; i++) codes[i] = signedCodes[i]! + limit;
  return sumL2 > 0 ? fround(sumLx / sumL2) : 0;
}

/** What `searchScaleAndMin` tries. */
export interface ScaleAndMinSearch {
  readonly maxCode: number;
  /** The candidate scales are (maxCode + firstStep + stepSize × step) / (max − min), for steps 0 to `stepCount`. */
  readonly firstStep: number;
  readonly stepSize: number;
  readonly stepCount: number;
  /** Measures |error| instead of its square. */
  readonly absolute: boolean;
}

/** value ≈ scale × code − min */
export interface ScaleAndMin {
  readonly scale: number;
  readonly min: number;
}

/** The candidate scales that ggml tries when there is an importance matrix. */
export function importanceSearch(maxCode: number): ScaleAndMinSearch {
  return { maxCode, firstStep: fround(-0.9), stepSize: fround(0.05), stepCount: 36, absolute: false };
}

/** The candidate scales that ggml tries for a K-quant without an importance matrix. */
export function plainSearch(
  maxCode: number,
  firstStep: number,
  stepCount: number,
  absolute: boolean,
): ScaleAndMinSearch {
  return { maxCode, firstStep, stepSize: TENTH, stepCount, absolute };
}

/**
 * Codes in [0, maxCode] for value ≈ scale × code − min, min ≥ 0, over some candidate scales, where a better candidate's
 * min counts at once. There is a value, from `start` on, and a weight for each of `codes`.
 */
export function searchScaleAndMin(
  { maxCode, firstStep, stepSize, stepCount, absolute }: ScaleAndMinSearch,
  values: Float32Array,
  start: number,
  weights: Float32Array,
  codes: Uint8Array,
): ScaleAndMin {
  const count = codes.length;
  let min = values[start]!;
  let max = min;
  let sumW = weights[0]!;
  let sumX = fround(sumW * min);
  for (let i = 1; i < count; i++) {
    const value = values[start + i]!;
    if (value < min) min = value;
    if (value > max) max = value;
    const weight = weights[i]!;
    sumW = fround(sumW + weight);
    sumX = fround(sumX + fround(weight * value));
  }
  if (min > 0) min = 0;
  if (max <= min) {
    codes.fill(0);
    return { scale: 0, min: -min };
  }
  let inverse = fround(maxCode / fround(max - min));
  let scale = fround(1 / inverse);
  let bestError = 0;
  for (let i = 0; i < count; i++) {
    const value = values[start + i]!;
    let code = nearestInt(fround(inverse * fround(value - min)));
    if (code < 0) code = 0;
    else if (code > maxCode) code = maxCode;
    codes[i] = code;
    const difference = fround(fround(fround(scale * code) + min) - value);
    const error = absolute ? Math.abs(difference) : fround(difference * difference);
    bestError = fround(bestError + fround(weights[i]! * error));
  }
  for (let step = 0; step <= stepCount; step++) {
    inverse = fround(fround(fround(firstStep + fround(stepSize * step)) + maxCode) / fround(max - min));
    let sumL = 0;
    let sumL2 = 0;
    let sumXl = 0;
    for (let i = 0; i < count; i++) {
      const value = values[start + i]!;
      let code = nearestInt(fround(inverse * fround(value - min)));
      if (code < 0) code = 0;
      else if (code > maxCode) code = maxCode;
      trialCodes[i] = code;
      const weightedCode = fround(weights[i]! * code);
      sumL = fround(sumL + weightedCode);
      sumL2 = fround(sumL2 + fround(weightedCode * code));
      sumXl = fround(sumXl + fround(weightedCode * value));
    }
    const determinant = fround(fround(sumW * sumL2) - fround(sumL * sumL));
    if (!(determinant > 0)) continue;
    let trialScale = fround(fround(fround(sumW * sumXl) - fround(sumX * sumL)) / determinant);
    let trialMin = fround(fround(fround(sumL2 * sumX) - fround(sumL * sumXl)) / determinant);
    if (trialMin > 0) {
      trialMin = 0;
      trialScale = fround(sumXl / sumL2);
    }
    let trialError = 0;
    for (let i = 0; i < count; i++) {
      const difference = fround(fround(fround(trialScale * trialCodes[i]!) + trialMin) - values[start + i]!);
      const error = absolute ? Math.abs(difference) : fround(difference * difference);
      trialError = fround(trialError + fround(weights[i]! * error));
    }
    if (trialError < bestError) {
      for (let i = 0; i < count; i++) codes[i] = trialCodes[i]!;
      bestError = trialError;
      scale = trialScale;
      min = trialMin;
    }
  }
  return { scale, min: -min };
}

/**
 * Codes in [0, maxCode] for non-negative values ≈ scale × code: eight candidate scales, then one code moved at a time,
 * at most five rounds. Used for the scales and mins of a super-block. Codes are bytes and wrap as ggml's do.
 */
export function searchPositiveScale(
  values: Float32Array,
  count: number,
  maxCode: number,
  weights: Float32Array,
  codes: Uint8Array,
): number {
  let max = 0;
  for (let i = 0; i < count; i++) if (values[i]! > max) max = values[i]!;
  if (max < GROUP_EPSILON) {
    codes.fill(0, 0, count);
    return 0;
  }
  let inverse = fround(maxCode / max);
  const firstScale = fround(1 / inverse);
  let bestError = 0;
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    codes[i] = nearestInt(fround(inverse * value));
    const difference = fround(value - fround(firstScale * codes[i]!));
    bestError = fround(bestError + fround(fround(weights[i]! * difference) * difference));
  }
  for (let step = -4; step <= 4; step++) {
    if (step === 0) continue;
    const trialInverse = fround(fround(fround(TENTH * step) + maxCode) / max);
    const trialScale = fround(1 / trialInverse);
    let error = 0;
    for (let i = 0; i < count; i++) {
      const value = values[i]!;
      const code = Math.min(maxCode, nearestInt(fround(trialInverse * value)));
      const difference = fround(value - fround(trialScale * code));
      error = fround(error + fround(fround(weights[i]! * difference) * difference));
    }
    if (error < bestError) {
      bestError = error;
      inverse = trialInverse;
    }
  }
  let sumLx = 0;
  let sumL2 = 0;
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    const code = Math.min(maxCode, nearestInt(fround(inverse * value)));
    codes[i] = code;
    const weight = weights[i]!;
    sumLx = fround(sumLx + fround(fround(weight * value) * code));
    sumL2 = fround(sumL2 + fround(fround(weight * code) * code));
  }
  for (let round = 0; round < 5; round++) {
    let changed = false;
    for (let i = 0; i < count; i++) {
      const value = values[i]!;
      const weight = weights[i]!;
      const weightedValue = fround(weight * value);
      const code = codes[i]!;
      let otherLx = fround(sumLx - fround(weightedValue * code));
      let otherL2 = fround(sumL2 - fround(fround(weight * code) * code));
      if (!(otherLx > 0 && otherL2 > 0)) continue;
      const newCode = Math.min(maxCode, nearestInt(fround(fround(value * otherL2) / otherLx)));
      if (newCode === code) continue;
      otherLx = fround(otherLx + fround(weightedValue * newCode));
      otherL2 = fround(otherL2 + fround(fround(weight * newCode) * newCode));
      if (fround(fround(otherLx * otherLx) * sumL2) > fround(fround(sumLx * sumLx) * otherL2)) {
        codes[i] = newCode;
        sumLx = otherLx;
        sumL2 = otherL2;
        changed = true;
      }
    }
    if (!changed) break;
  }
  return sumL2 > 0 ? fround(sumLx / sumL2) : 0;
}

/** Mean of the squares of `values[start, end)`, times `factor`. Adds in index order. */
export function meanSquare(values: Float32Array, start: number, end: number, factor: number): number {
  let sum = 0;
  for (let i = start; i < end; i++) {
    const value = values[i]!;
    sum = fround(sum + fround(value * value));
  }
  return fround(fround(factor * sum) / (end - start));
}

/** Weights for a search: importance × √(variance + value²), of as many values from `start` on as `importance` has. */
export function importanceWeights(
  values: Float32Array,
  start: number,
  variance: number,
  importance: Float32Array,
  weights: Float32Array,
): void {
  for (let i = 0; i < importance.length; i++) {
    const value = values[start + i]!;
    weights[i] = importance[i]! * fround(Math.sqrt(fround(variance + fround(value * value))));
  }
}
