import { type BlockCodec, floatToHalf, halfToFloat } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import {
  assignLevels,
  FLOAT_MAX,
  placeEight,
  SHIFTED_DOWN,
  SHIFTED_UP,
  sortPositions,
  ternaryCodebook,
  ternaryGrid,
  ternaryScaleCode,
  writeTernary,
} from "./iq/ternary.ts";
import { squareWeights } from "./iq/weights.ts";
import { importanceWeights, meanSquare } from "./scale-search.ts";

const fround = Math.fround;

/** Below this largest magnitude a sub-block counts as all zero. */
const EPSILON: number = /* @__PURE__ */ fround(1e-7);

/** ggml's correction of the super-block's scale. */
const CORRECTION: number = /* @__PURE__ */ fround(1.1125);

const weights: Float32Array = /* @__PURE__ */ new Float32Array(16);
const order: Uint8Array = /* @__PURE__ */ new Uint8Array(16);
const levels: Uint8Array = /* @__PURE__ */ new Uint8Array(16);

/** Of the whole super-block, for its scale. */
const allWeights: Float32Array = /* @__PURE__ */ new Float32Array(256);
const allLevels: Uint8Array = /* @__PURE__ */ new Uint8Array(256);
const scales: Float32Array = /* @__PURE__ */ new Float32Array(16);
const shifts: Uint8Array = /* @__PURE__ */ new Uint8Array(16);

/**
 * Of the first i of the 16 in order, for the weights 0–7 at index i and the weights 8–15 at 17 + i:
 * Σ weight × value, Σ weight, and the latter's part in the squares where a split begins level 1 or level 2, by shift.
 */
const sumX: Float32Array = /* @__PURE__ */ new Float32Array(34);
const sumW: Float32Array = /* @__PURE__ */ new Float32Array(34);
const first2Up: Float32Array = /* @__PURE__ */ new Float32Array(34);
const first2Down: Float32Array = /* @__PURE__ */ new Float32Array(34);
const second2Up: Float32Array = /* @__PURE__ */ new Float32Array(34);
const second2Down: Float32Array = /* @__PURE__ */ new Float32Array(34);

/** The best split: where level 1 and level 2 begin; `shift`: bit 1 the first eight, bit 0 the second shift down. */
let split0 = 0;
let split1 = 0;
let shift = 0;

/** block_iq1_m: 256 weights in 56 bytes
 *   0  qs      u8[32]  low 8 bits of the grid codes of the groups of 8
 *  32  qh      u8[16]  a nibble per group: bits 0–2 bits 8–10 of the grid code, bit 3 the shift is negative
 *  48  scales  u16[4]  bits 0–11: scales s of 4 sub-blocks of 16, 3 bits each
 *                      bits 12–15: a nibble of the f16 scale d of the super-block, lowest first
 * value = d × (2 × s + 1) × (grid(q) ± 1/8), grid values −1, 0, 1
 * Quantizing follows ggml 0.27; up to 0.21 the sums ran in another order, so that ties between splits fell otherwise.
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c (quantize_row_iq1_m_impl), llama.cpp pull request 28706.
 */
export const IQ1_M: BlockCodec = /* @__PURE__ */ blockCodec("IQ1_M", {
  importance: "used",
  dequantizeBlocks(bytes, blockCount, out) {
    const grid = ternaryGrid();
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 56) {
      const d = halfToFloat(
        (bytes[at + 49]! >> 4) |
          (bytes[at + 51]! & 0xf0) |
          ((bytes[at + 53]! & 0xf0) << 4) |
          ((bytes[at + 55]! & 0xf0) << 8),
      );
      for (let sub = 0; sub < 16; sub++) {
        const word = at + 48 + 2 * (sub >> 2);
        const s = ((bytes[word]! | (bytes[word + 1]! << 8)) >> (3 * (sub & 3))) & 7;
        const scale = d * (2 * s + 1);
        const qh = bytes[at + 32 + sub]!;
        const q = at + 2 * sub;
        writeTernary(out, to, scale, grid, bytes[q]! | ((qh & 7) << 8), qh & 8 ? -0.125 : 0.125);
        writeTernary(out, to + 8, scale, grid, bytes[q + 1]! | ((qh & 0x70) << 4), qh & 128 ? -0.125 : 0.125);
        to += 16;
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, importance) {
    const book = ternaryCodebook();
    for (let from = start, at = outOffset; from < end; from += 256, at += 56) {
      out.fill(0, at, at + 56);
      const variance = meanSquare(values, from, from + 256, 2);
      let maxScale = 0;
      for (let sub = 0; sub < 16; sub++) {
        const first = from + 16 * sub;
        if (importance === undefined) squareWeights(values, first, 16, weights);
        else
          importanceWeights(
            values,
            first,
            variance,
            importance.subarray(first - start, first - start + 16),
            weights,
          );
        allWeights.set(weights, 16 * sub);
        scales[sub] = 0;
        shifts[sub] = 0;
        let max = 0;
        for (let i = 0; i < 16; i++) max = Math.max(max, Math.abs(values[first + i]!));
        let scale = 0;
        if (max >= EPSILON) {
          sortPositions(values, first, 16, order);
          scale = bestSplit(values, first);
        } else shift = -1;
        if (shift < 0) {
          // Code 0 stays, whose levels are all 0, and counts for the super-block's scale.
          allLevels.fill(0, 16 * sub, 16 * sub + 16);
          continue;
        }
        assignLevels(order, 16, split0, split1, scale < 0, levels);
        if (scale < 0) {
          scale = -scale;
          shift = 3 - shift;
        }
        const wanted = { values: values.subarray(first, first + 16), weights };
        let moved = false;
        for (let group = 0; group < 2; group++) {
          const shifted = shiftedBy(shift, group);
          let code = placeEight(book, levels, scale, shifted, wanted, 8 * group);
          if (code < 0) {
            moved = true;
            code = -1 - code;
          }
          out[at + 2 * sub + group] = code;
          out[at + 32 + sub]! |= (code >> 8) << (4 * group);
        }
        if (moved) scale = refinedScale(values, first, scale);
        allLevels.set(levels, 16 * sub);
        scales[sub] = scale;
        shifts[sub] = shift;
        if (scale > maxScale) maxScale = scale;
      }
      if (maxScale === 0) continue;
      const half = floatToHalf(fround(finishScales(values, from, maxScale, out, at) * CORRECTION));
      for (let i = 0; i < 4; i++) out[at + 49 + 2 * i]! |= ((half >> (4 * i)) & 15) << 4;
    }
  },
});

function shiftedBy(shiftBits: number, group: number): Float32Array {
  return (shiftBits >> (1 - group)) & 1 ? SHIFTED_DOWN : SHIFTED_UP;
}

/** Tries every split of the 16 sorted values under all four shifts; sets `split0`, `split1` and `shift` (−1: none fits). */
function bestSplit(values: Float32Array, first: number): number {
  for (let j = 0; j < 16; j++) {
    const i = order[j]!;
    const here = i < 8 ? j : 17 + j;
    const other = i < 8 ? 17 + j : j;
    const weight = weights[i]!;
    sumX[here + 1] = sumX[here]! + fround(weight * values[first + i]!);
    sumX[other + 1] = sumX[other]!;
    sumW[here + 1] = sumW[here]! + weight;
    sumW[other + 1] = sumW[other]!;
  }
  for (let part = 0; part < 34; part += 17) {
    const total = sumW[part + 16]!;
    const totalUp = fround(fround(total * 1.125) * 1.125);
    const totalDown = fround(fround(total * 0.875) * 0.875);
    for (let i = part; i < part + 17; i++) {
      first2Up[i] = totalUp + fround(sumW[i]! * 0.75);
      first2Down[i] = totalDown + fround(sumW[i]! * 1.25);
      second2Up[i] = sumW[i]! * -1.25;
      second2Down[i] = sumW[i]! * -0.75;
    }
  }
  const totalXUp0 = fround(sumX[16]! * 1.125);
  const totalXUp1 = fround(sumX[33]! * 1.125);
  const totalXDown0 = fround(sumX[16]! * 0.875);
  const totalXDown1 = fround(sumX[33]! * 0.875);
  let best = -FLOAT_MAX;
  let scale = 0;
  shift = -1;
  for (let i0 = 0; i0 <= 16; i0++) {
    for (let i1 = i0; i1 <= 16; i1++) {
      const x0 = fround(sumX[i0]! + sumX[i1]!);
      const x1 = fround(sumX[17 + i0]! + sumX[17 + i1]!);
      const xUp0 = fround(totalXUp0 - x0);
      const xUp1 = fround(totalXUp1 - x1);
      const xDown0 = fround(totalXDown0 - x0);
      const xDown1 = fround(totalXDown1 - x1);
      const up0 = fround(first2Up[i0]! + second2Up[i1]!);
      const up1 = fround(first2Up[17 + i0]! + second2Up[17 + i1]!);
      const down0 = fround(first2Down[i0]! + second2Down[i1]!);
      const down1 = fround(first2Down[17 + i0]! + second2Down[17 + i1]!);
      for (let trial = 0; trial < 4; trial++) {
        const sumQx = fround((trial & 2 ? xDown0 : xUp0) + (trial & 1 ? xDown1 : xUp1));
        const sumQ2 = fround((trial & 2 ? down0 : up0) + (trial & 1 ? down1 : up1));
        if (sumQ2 > 0 && fround(sumQx * sumQx) > fround(best * sumQ2)) {
          scale = fround(sumQx / sumQ2);
          best = fround(scale * sumQx);
          split0 = i0;
          split1 = i1;
          shift = trial;
        }
      }
    }
  }
  return scale;
}

/** The best scale for levels that the grid changed. */
function refinedScale(values: Float32Array, first: number, scale: number): number {
  let sumQx = 0;
  let sumQ2 = 0;
  for (let i = 0; i < 16; i++) {
    const q = shiftedBy(shift, i >> 3)[levels[i]!]!;
    const weighted = fround(weights[i]! * q);
    sumQx = fround(sumQx + fround(weighted * values[first + i]!));
    sumQ2 = fround(sumQ2 + fround(weighted * q));
  }
  return sumQx > 0 && sumQ2 > 0 ? fround(sumQx / sumQ2) : scale;
}

/** Writes the sub-blocks' scale codes and shifts, and returns the best scale for the super-block under these. */
function finishScales(
  values: Float32Array,
  from: number,
  maxScale: number,
  out: Uint8Array,
  at: number,
): number {
  const d = fround(maxScale / 15);
  const inverse = fround(1 / d);
  let sumQx = 0;
  let sumQ2 = 0;
  for (let sub = 0; sub < 16; sub++) {
    const code = ternaryScaleCode(inverse, scales[sub]!);
    const bits = code << (3 * (sub & 3));
    out[at + 48 + 2 * (sub >> 2)]! |= bits;
    out[at + 49 + 2 * (sub >> 2)]! |= bits >> 8;
    const shiftBits = shifts[sub]!;
    out[at + 32 + sub]! |= (shiftBits & 2 ? 0x08 : 0) | (shiftBits & 1 ? 0x80 : 0);
    for (let i = 16 * sub; i < 16 * sub + 16; i++) {
      const q = shiftedBy(shiftBits, (i >> 3) & 1)[allLevels[i]!]! * (2 * code + 1);
      const weighted = fround(allWeights[i]! * q);
      sumQx = fround(sumQx + fround(weighted * values[from + i]!));
      sumQ2 = fround(sumQ2 + fround(weighted * q));
    }
  }
  return sumQ2 > 0 ? fround(sumQx / sumQ2) : d;
}
