/**
 * The nearest of a codebook's groups where the grid lacks the wanted one, by Σ weight × (scale × value − wanted)².
 *
 * ggml rounds each step of that sum to f32, in index order, and takes the first of the least sums. Rounding is slow
 * here, so the sums are first taken in double: if the least is smaller than the next by more than the rounding can
 * have moved them, it is ggml's choice too. Only near ties are decided by the rounded sums.
 *
 * The bound: with u = 2^−24, a difference is off by at most u × (scale × value + |difference|), and rounding weight ×
 * difference × difference and adding up n such adds at most (n + 1) × u of the sum. Since |difference| ≤ 2 × max(scale
 * × value, |wanted|) =: 2m, that is less than 64 × u × Σ weight × m² for n ≤ 8; two sums, twice that.
 *
 * Source: ggml, src/ggml-quants.c (iq2_find_best_neighbour, iq3_find_best_neighbour, iq1_find_best_neighbour2).
 */
import type { Codebook } from "./codebook.ts";

const fround = Math.fround;

const FLOAT_MAX = 3.4028234663852886e38;

/** 2 × 64 × 2^−24, and what rounding among subnormal numbers can add. */
const ROUNDING = 2 ** -17;
const SMALLEST = 2 ** -140;

/** Weighted squared error of two weights of an eight at two levels each: index 16 × pair + 4 bits of the word. */
const pairErrors: Float64Array = /* @__PURE__ */ new Float64Array(64);

/** Values that groups should have, and how much each matters. */
export interface Wanted {
  readonly values: Float32Array;
  readonly weights: Float32Array;
}

/** The word of the nearest group of 8 in the list at `offset`; `values` are those of the three levels. */
export function nearestOfEight(
  codebook: Codebook,
  offset: number,
  scale: number,
  values: Float32Array,
  wanted: Wanted,
  start: number,
): number {
  const { neighbours } = codebook;
  const { weights } = wanted;
  const value0 = scale * values[0]!;
  const value1 = scale * values[1]!;
  const value2 = scale * values[2]!;
  let weightSum = 0;
  let squareSum = 0;
  for (let i = 0; i < 8; i += 2) {
    const x = wanted.values[start + i]!;
    const weight = weights[start + i]!;
    const nextX = wanted.values[start + i + 1]!;
    const nextWeight = weights[start + i + 1]!;
    weightSum += weight + nextWeight;
    squareSum += weight * x * x + nextWeight * nextX * nextX;
    const error0 = weight * (value0 - x) * (value0 - x);
    const error1 = weight * (value1 - x) * (value1 - x);
    const error2 = weight * (value2 - x) * (value2 - x);
    const at = 8 * i;
    let next = nextWeight * (value0 - nextX) * (value0 - nextX);
    pairErrors[at] = error0 + next;
    pairErrors[at + 1] = error1 + next;
    pairErrors[at + 2] = error2 + next;
    next = nextWeight * (value1 - nextX) * (value1 - nextX);
    pairErrors[at + 4] = error0 + next;
    pairErrors[at + 5] = error1 + next;
    pairErrors[at + 6] = error2 + next;
    next = nextWeight * (value2 - nextX) * (value2 - nextX);
    pairErrors[at + 8] = error0 + next;
    pairErrors[at + 9] = error1 + next;
    pairErrors[at + 10] = error2 + next;
  }
  const end = offset + 1 + neighbours[offset]!;
  let best = Number.POSITIVE_INFINITY;
  let second = Number.POSITIVE_INFINITY;
  let bestWord = 0;
  for (let j = offset + 1; j < end; j++) {
    const word = neighbours[j]!;
    const sum =
      pairErrors[word & 15]! +
      pairErrors[16 | ((word >> 4) & 15)]! +
      (pairErrors[32 | ((word >> 8) & 15)]! + pairErrors[48 | (word >> 12)]!);
    if (sum < second) {
      if (sum < best) {
        second = best;
        best = sum;
        bestWord = word;
      } else second = sum;
    }
  }
  const largest = Math.max(value2 * value2, value0 * value0);
  if (second - best > ROUNDING * (squareSum + largest * weightSum) + SMALLEST) return bestWord;
  return firstNearestOfEight(codebook, offset, scale, values, wanted, start);
}

const scaledValues: Float64Array = /* @__PURE__ */ new Float64Array(8);

/** The same for groups of 4 at the eight levels 1, 3, 5 … 15. */
export function nearestOfFour(
  codebook: Codebook,
  offset: number,
  scale: number,
  wanted: Wanted,
  start: number,
): number {
  const { neighbours } = codebook;
  const { values, weights } = wanted;
  for (let level = 0; level < 8; level++) scaledValues[level] = scale * (2 * level + 1);
  const x0 = values[start]!;
  const x1 = values[start + 1]!;
  const x2 = values[start + 2]!;
  const x3 = values[start + 3]!;
  const weight0 = weights[start]!;
  const weight1 = weights[start + 1]!;
  const weight2 = weights[start + 2]!;
  const weight3 = weights[start + 3]!;
  const end = offset + 1 + neighbours[offset]!;
  let best = Number.POSITIVE_INFINITY;
  let second = Number.POSITIVE_INFINITY;
  let bestWord = 0;
  for (let j = offset + 1; j < end; j++) {
    const word = neighbours[j]!;
    const difference0 = scaledValues[word & 7]! - x0;
    const difference1 = scaledValues[(word >> 3) & 7]! - x1;
    const difference2 = scaledValues[(word >> 6) & 7]! - x2;
    const difference3 = scaledValues[(word >> 9) & 7]! - x3;
    const sum =
      weight0 * difference0 * difference0 +
      weight1 * difference1 * difference1 +
      (weight2 * difference2 * difference2 + weight3 * difference3 * difference3);
    if (sum < second) {
      if (sum < best) {
        second = best;
        best = sum;
        bestWord = word;
      } else second = sum;
    }
  }
  const squareSum = weight0 * x0 * x0 + weight1 * x1 * x1 + (weight2 * x2 * x2 + weight3 * x3 * x3);
  const weightSum = weight0 + weight1 + (weight2 + weight3);
  if (second - best > ROUNDING * (squareSum + 225 * scale * scale * weightSum) + SMALLEST) return bestWord;
  return firstNearestOfFour(codebook, offset, scale, wanted, start);
}

/** Weighted squared error of weight i at level l: index 4i + l. */
const errors: Float32Array = /* @__PURE__ */ new Float32Array(32);

/** `nearestOfEight` by ggml's rounded sums. */
export function firstNearestOfEight(
  codebook: Codebook,
  offset: number,
  scale: number,
  values: Float32Array,
  wanted: Wanted,
  start: number,
): number {
  const { neighbours } = codebook;
  const { weights } = wanted;
  for (let i = 0; i < 8; i++) {
    const x = wanted.values[start + i]!;
    const weight = weights[start + i]!;
    for (let level = 0; level < 3; level++) {
      const difference = fround(fround(scale * values[level]!) - x);
      errors[4 * i + level] = fround(weight * difference) * difference;
    }
  }
  const end = offset + 1 + neighbours[offset]!;
  let best = FLOAT_MAX;
  let bestWord = neighbours[offset + 1]!;
  for (let j = offset + 1; j < end; j++) {
    const word = neighbours[j]!;
    let sum = 0;
    for (let i = 0; i < 8; i++) sum = fround(sum + errors[(4 * i) | ((word >> (2 * i)) & 3)]!);
    if (sum < best) {
      best = sum;
      bestWord = word;
    }
  }
  return bestWord;
}

/** `nearestOfFour` by ggml's rounded sums. */
export function firstNearestOfFour(
  codebook: Codebook,
  offset: number,
  scale: number,
  wanted: Wanted,
  start: number,
): number {
  const { neighbours } = codebook;
  const { values, weights } = wanted;
  const end = offset + 1 + neighbours[offset]!;
  let best = FLOAT_MAX;
  let bestWord = neighbours[offset + 1]!;
  for (let j = offset + 1; j < end; j++) {
    const word = neighbours[j]!;
    let sum = 0;
    for (let i = 0; i < 4; i++) {
      const value = 2 * ((word >> (3 * i)) & 7) + 1;
      const difference = fround(fround(scale * value) - values[start + i]!);
      sum = fround(sum + fround(fround(weights[start + i]! * difference) * difference));
    }
    if (sum < best) {
      best = sum;
      bestWord = word;
    }
  }
  return bestWord;
}
