/**
 * The scale of a sub-block whose groups must lie on a grid: several scales are tried, each group is rounded to levels
 * and from there to the grid, and the scale that then fits best is refined. IQ2 and IQ3 differ only in the numbers.
 * Sums run in index order and round to f32 at each step.
 * Source: ggml, src/ggml-quants.c (quantize_row_iq2_xxs_impl, _iq2_xs_, _iq2_s_, _iq3_xxs_, _iq3_s_).
 */
import { nearestInt } from "../rounding.ts";
import type { Codebook } from "./codebook.ts";
import { nearestOfEight, nearestOfFour, type Wanted } from "./nearest.ts";

const fround = Math.fround;

/** The numbers in which the types differ. */
export interface GridFit {
  /** Weights per sub-block. */
  readonly length: 16 | 32;
  /** Tried are the scales reach / (top + step × stepSize), |step| ≤ stepCount, where top is the largest value of a level. */
  readonly stepCount: number;
  readonly stepSize: number;
  /**
   * Which groups are placed again under the best scale: "missing": the groups that are not on the grid; "all-if-missing":
   * all groups, if one is not on the grid or no scale fits; "all": all groups.
   */
  readonly refit: "missing" | "all-if-missing" | "all";
}

/**
 * The input of `fitScale`: values with their signs taken off, their weights, and the square roots of these, by which
 * ggml measures how near a group of the grid is.
 */
export const magnitudes: Float32Array = /* @__PURE__ */ new Float32Array(32);
export const weights: Float32Array = /* @__PURE__ */ new Float32Array(32);
export const roots: Float32Array = /* @__PURE__ */ new Float32Array(32);

const wanted: Wanted = { values: magnitudes, weights: roots };

/** The output of `fitScale`: the word of each group, all on the grid. */
export const words: Uint16Array = /* @__PURE__ */ new Uint16Array(8);

const trialWords: Uint16Array = /* @__PURE__ */ new Uint16Array(8);

/** weight × magnitude × value and weight × value² of weight i at each level: 32 entries per group. */
const products: Float64Array = /* @__PURE__ */ new Float64Array(256);
const squares: Float64Array = /* @__PURE__ */ new Float64Array(256);

/** Σ weight × magnitude × value and Σ weight × value² over the sub-block */
const sums: Float32Array = /* @__PURE__ */ new Float32Array(2);

const THREE_VALUES: Float32Array = /* @__PURE__ */ new Float32Array([1, 3, 5]);

/** The square roots of the first `count` weights. */
export function takeRoots(count: number): void {
  for (let i = 0; i < count; i++) roots[i] = Math.sqrt(weights[i]!);
}

/** The largest of the first `count` magnitudes. */
export function maxMagnitude(count: number): number {
  let max = magnitudes[0]!;
  for (let i = 1; i < count; i++) if (magnitudes[i]! > max) max = magnitudes[i]!;
  return max;
}

/** The best scale, starting from `firstScale`. It is negative where all signs are better flipped. */
export function fitScale(codebook: Codebook, fit: GridFit, reach: number, firstScale: number): number {
  const { length, stepCount, stepSize, refit } = fit;
  const { dimensions, bitWidth, levelCount, codes } = codebook;
  const groupCount = length / dimensions;
  const top = 2 * levelCount - 1;
  tabulateProducts(length, bitWidth, levelCount);
  let scale = firstScale;
  let best = 0;
  let missing = refit === "all-if-missing" ? -1 : 0;
  words.fill(0);
  for (let step = -stepCount; step <= stepCount; step++) {
    const inverse = fround(fround(top + fround(step * stepSize)) / reach);
    const trialScale = fround(1 / inverse);
    let trialMissing = 0;
    let changed = false;
    for (let group = 0; group < groupCount; group++) {
      let word = roundGroup(codebook, group, inverse);
      const code = codes[word]!;
      if (code < 0) {
        trialMissing |= 1 << group;
        word = nearest(codebook, -1 - code, group, trialScale);
      }
      if (trialWords[group] !== word || step === -stepCount) {
        trialWords[group] = word;
        changed = true;
      }
    }
    if (changed) sumProducts(trialWords, groupCount, dimensions, bitWidth);
    const sumQx = sums[0]!;
    const sumQ2 = sums[1]!;
    if (sumQ2 > 0 && fround(sumQx * sumQx) > fround(best * sumQ2)) {
      scale = fround(sumQx / sumQ2);
      best = fround(scale * sumQx);
      for (let group = 0; group < groupCount; group++) words[group] = trialWords[group]!;
      missing = trialMissing;
    }
  }
  if (!(scale > 0) || (missing === 0 && refit !== "all")) return scale;
  const inverse = fround(1 / scale);
  for (let group = 0; group < groupCount; group++) {
    if (refit === "missing" && ((missing >> group) & 1) === 0) continue;
    const word = roundGroup(codebook, group, inverse);
    const code = codes[word]!;
    words[group] = code < 0 ? nearest(codebook, -1 - code, group, scale) : word;
  }
  sumProducts(words, groupCount, dimensions, bitWidth);
  return sums[1]! > 0 ? fround(sums[0]! / sums[1]!) : scale;
}

/** The 4-bit code of a sub-block's scale under the super-block's: scale ≈ (2 × code + 1) / inverse. */
export function scaleCode(inverse: number, scale: number): number {
  const code = nearestInt(0.5 * fround(fround(inverse * scale) - 1));
  return Math.max(0, Math.min(15, code));
}

/** The nearest levels of a group, as a word that need not be on the grid. Value = 2 × level + 1. */
function roundGroup({ dimensions, bitWidth, levelCount }: Codebook, group: number, inverse: number): number {
  const start = group * dimensions;
  let word = 0;
  for (let i = 0; i < dimensions; i++) {
    let level = nearestInt(0.5 * fround(fround(inverse * magnitudes[start + i]!) - 1));
    if (level < 0) level = 0;
    else if (level >= levelCount) level = levelCount - 1;
    word |= level << (bitWidth * i);
  }
  return word;
}

function nearest(codebook: Codebook, offset: number, group: number, scale: number): number {
  return codebook.dimensions === 8
    ? nearestOfEight(codebook, offset, scale, THREE_VALUES, wanted, 8 * group)
    : nearestOfFour(codebook, offset, scale, wanted, 4 * group);
}

function tabulateProducts(length: number, bitWidth: number, levelCount: number): void {
  for (let i = 0; i < length; i++) {
    const weight = weights[i]!;
    const weighted = fround(weight * magnitudes[i]!);
    for (let level = 0; level < levelCount; level++) {
      const value = 2 * level + 1;
      products[(i << bitWidth) | level] = fround(weighted * value);
      squares[(i << bitWidth) | level] = fround(fround(weight * value) * value);
    }
  }
}

function sumProducts(chosen: Uint16Array, groupCount: number, dimensions: number, bitWidth: number): void {
  const mask = (1 << bitWidth) - 1;
  let sumQx = 0;
  let sumQ2 = 0;
  for (let group = 0, i = 0; group < groupCount; group++) {
    let word = chosen[group]!;
    for (let end = i + dimensions; i < end; i++) {
      const at = (i << bitWidth) | (word & mask);
      word >>= bitWidth;
      sumQx = fround(sumQx + products[at]!);
      sumQ2 = fround(sumQ2 + squares[at]!);
    }
  }
  sums[0] = sumQx;
  sums[1] = sumQ2;
}
