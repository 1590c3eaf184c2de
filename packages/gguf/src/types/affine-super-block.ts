/**
 * What Q4_K and Q5_K share: 256 weights in eight sub-blocks of 32, each with a six-bit scale and a six-bit min,
 * d, dmin and the packed scales in the block's first 16 bytes:
 *   0  d       f16
 *   2  dmin    f16
 *   4  scales  u8[12]  sub-blocks 0–3: scale in bits 0–5 of byte j, min in bits 0–5 of byte j + 4;
 *                      sub-blocks 4–7: bits 0–3 of scale and min in the nibbles of byte j + 4,
 *                      bits 4–5 in bits 6–7 of bytes j − 4 (scale) and j (min)
 * Source: ggml, src/ggml-quants.c.
 */
import { readHalf, writeHalf } from "./half-field.ts";
import { nearestInt } from "./rounding.ts";
import {
  importanceSearch,
  importanceWeights,
  meanSquare,
  plainSearch,
  type ScaleAndMinSearch,
  searchPositiveScale,
  searchScaleAndMin,
  subBlocksOf,
} from "./scale-search.ts";

const fround = Math.fround;
/** The 256 codes of the block that was quantized last. */
export const codes: Uint8Array = /* @__PURE__ */ new Uint8Array(256);
const subBlocks: readonly Uint8Array[] = /* @__PURE__ */ subBlocksOf(codes, 32);
const weights: Float32Array = /* @__PURE__ */ new Float32Array(32);
const scales: Float32Array = /* @__PURE__ */ new Float32Array(8);
const mins: Float32Array = /* @__PURE__ */ new Float32Array(8);
const weightSums: Float32Array = /* @__PURE__ */ new Float32Array(8);
const scaleCodes: Uint8Array = /* @__PURE__ */ new Uint8Array(8);
const minCodes: Uint8Array = /* @__PURE__ */ new Uint8Array(8);

/** The six-bit scale of sub-block j; `at` is where the 12 packed bytes begin. */
export function unpackScale(bytes: Uint8Array, at: number, j: number): number {
  return j < 4 ? bytes[at + j]! & 63 : (bytes[at + j + 4]! & 15) | ((bytes[at + j - 4]! >> 6) << 4);
}

/** The six-bit min of sub-block j. */
export function unpackMin(bytes: Uint8Array, at: number, j: number): number {
  return j < 4 ? bytes[at + j + 4]! & 63 : (bytes[at + j + 4]! >> 4) | ((bytes[at + j]! >> 6) << 4);
}

/** What differs between the types: the candidates that are tried without and with an importance matrix. */
export interface AffineSearches {
  readonly maxCode: number;
  readonly plain: ScaleAndMinSearch;
  readonly byImportance: ScaleAndMinSearch;
}

/** Codes in [0, maxCode]; `firstStep` and `stepCount` are of the candidates without an importance matrix. */
export function affineSearches(maxCode: number, firstStep: number, stepCount: number): AffineSearches {
  return {
    maxCode,
    plain: plainSearch(maxCode, firstStep, stepCount, false),
    byImportance: importanceSearch(maxCode),
  };
}

/**
 * Writes d, dmin and the packed scales of the block at `out[at]`, and its 256 codes to `codes`. `importance`: one weight for
 * each value of the block.
 */
export function quantizeAffineSuperBlock(
  { maxCode, plain, byImportance }: AffineSearches,
  values: Float32Array,
  from: number,
  importance: Float32Array | undefined,
  out: Uint8Array,
  at: number,
): void {
  if (importance === undefined) chooseScales(plain, values, from, out, at);
  else chooseScalesByImportance(byImportance, values, from, importance, out, at);
  for (let j = 0; j < 4; j++) {
    const scale = scaleCodes[j + 4]!;
    const min = minCodes[j + 4]!;
    out[at + 4 + j] = scaleCodes[j]! | ((scale >> 4) << 6);
    out[at + 8 + j] = minCodes[j]! | ((min >> 4) << 6);
    out[at + 12 + j] = (scale & 15) | ((min & 15) << 4);
  }
  const d = readHalf(out, at);
  const dmin = readHalf(out, at + 2);
  for (let j = 0; j < 8; j++) {
    const dl = fround(d * unpackScale(out, at + 4, j));
    // A scale of zero keeps the codes of the search, as ggml does.
    if (dl === 0) continue;
    const ml = fround(dmin * unpackMin(out, at + 4, j));
    for (let l = 32 * j; l < 32 * j + 32; l++) {
      const code = nearestInt(fround(fround(values[from + l]! + ml) / dl));
      codes[l] = Math.max(0, Math.min(maxCode, code));
    }
  }
}

function chooseScales(
  search: ScaleAndMinSearch,
  values: Float32Array,
  from: number,
  out: Uint8Array,
  at: number,
): void {
  let maxScale = 0;
  let maxMin = 0;
  for (let j = 0; j < 8; j++) {
    const start = from + 32 * j;
    const rms = fround(Math.sqrt(meanSquare(values, start, start + 32, 1)));
    for (let l = 0; l < 32; l++) weights[l] = rms + Math.abs(values[start + l]!);
    const { scale, min } = searchScaleAndMin(search, values, start, weights, subBlocks[j]!);
    scales[j] = scale;
    mins[j] = min;
    if (scale > maxScale) maxScale = scale;
    if (mins[j]! > maxMin) maxMin = mins[j]!;
  }
  const inverseScale = maxScale > 0 ? fround(63 / maxScale) : 0;
  const inverseMin = maxMin > 0 ? fround(63 / maxMin) : 0;
  for (let j = 0; j < 8; j++) {
    // First to a byte, then the limit, as ggml does with values that wrap.
    scaleCodes[j] = Math.min(63, nearestInt(fround(inverseScale * scales[j]!)) & 255);
    minCodes[j] = Math.min(63, nearestInt(fround(inverseMin * mins[j]!)) & 255);
  }
  writeHalf(out, at, fround(maxScale / 63));
  writeHalf(out, at + 2, fround(maxMin / 63));
}

function chooseScalesByImportance(
  search: ScaleAndMinSearch,
  values: Float32Array,
  from: number,
  importance: Float32Array,
  out: Uint8Array,
  at: number,
): void {
  const variance = meanSquare(values, from, from + 256, 2);
  for (let j = 0; j < 8; j++) {
    const start = from + 32 * j;
    importanceWeights(values, start, variance, importance.subarray(32 * j, 32 * j + 32), weights);
    let sum = 0;
    for (let l = 0; l < 32; l++) sum = fround(sum + weights[l]!);
    weightSums[j] = sum;
    const found = searchScaleAndMin(search, values, start, weights, subBlocks[j]!);
    scales[j] = found.scale;
    mins[j] = found.min;
  }
  writeHalf(out, at, searchPositiveScale(scales, 8, 63, weightSums, scaleCodes));
  writeHalf(out, at + 2, searchPositiveScale(mins, 8, 63, weightSums, minCodes));
}
