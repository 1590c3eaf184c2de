import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { requireImportance } from "./iq/require-importance.ts";
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
import { importanceWeights, meanSquare } from "./scale-search.ts";

const fround = Math.fround;

/** Below this largest magnitude a sub-block counts as all zero. */
const EPSILON: number = /* @__PURE__ */ fround(1e-12);

/** ggml's correction of the super-block's scale. */
const CORRECTION = 1.125;

const weights: Float32Array = /* @__PURE__ */ new Float32Array(32);
const order: Uint8Array = /* @__PURE__ */ new Uint8Array(32);
const levels: Uint8Array = /* @__PURE__ */ new Uint8Array(32);
const gridCodes: Uint16Array = /* @__PURE__ */ new Uint16Array(4);
const scales: Float32Array = /* @__PURE__ */ new Float32Array(8);
const shifts: Int8Array = /* @__PURE__ */ new Int8Array(8);

/** Σ weight × value and Σ weight of the first i in order; then what the range above i adds, by shift. */
const sumX: Float32Array = /* @__PURE__ */ new Float32Array(33);
const sumW: Float32Array = /* @__PURE__ */ new Float32Array(33);
const aboveXUp: Float32Array = /* @__PURE__ */ new Float32Array(33);
const aboveXDown: Float32Array = /* @__PURE__ */ new Float32Array(33);
const aboveWUp: Float32Array = /* @__PURE__ */ new Float32Array(33);
const aboveWDown: Float32Array = /* @__PURE__ */ new Float32Array(33);

/** The best split: where level 1 and level 2 begin, +1 or −1 for the shift. */
let split0 = 0;
let split1 = 0;
let shift = 0;

/** block_iq1_s: 256 weights in 50 bytes
 *   0  d   f16     scale of the super-block
 *   2  qs  u8[32]  low 8 bits of the grid codes of the groups of 8
 *  34  qh  u16[8]  one per sub-block of 32: bits 0–11 bits 8–10 of its 4 grid codes, 3 bits each
 *                  bits 12–14 scale s, bit 15 the shift is negative
 * value = d × (2 × s + 1) × (grid(q) ± 1/8), grid values −1, 0, 1
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c (quantize_row_iq1_s_impl).
 */
export const IQ1_S: BlockCodec = /* @__PURE__ */ blockCodec("IQ1_S", {
  importance: "required",
  dequantizeBlocks(bytes, blockCount, out) {
    const grid = ternaryGrid();
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 50) {
      const d = readHalf(bytes, at);
      for (let sub = 0; sub < 8; sub++) {
        const qh = bytes[at + 34 + 2 * sub]! | (bytes[at + 35 + 2 * sub]! << 8);
        const scale = d * (2 * ((qh >> 12) & 7) + 1);
        const delta = qh & 0x8000 ? -0.125 : 0.125;
        for (let group = 0; group < 4; group++, to += 8) {
          const code = bytes[at + 2 + 4 * sub + group]! | (((qh >> (3 * group)) & 7) << 8);
          writeTernary(out, to, scale, grid, code, delta);
        }
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, givenImportance) {
    const importance = requireImportance("IQ1_S", givenImportance);
    const book = ternaryCodebook();
    for (let from = start, at = outOffset; from < end; from += 256, at += 50) {
      out.fill(0, at, at + 50);
      const variance = meanSquare(values, from, from + 256, 2);
      let maxScale = 0;
      for (let sub = 0; sub < 8; sub++) {
        const first = from + 32 * sub;
        scales[sub] = 0;
        shifts[sub] = 1;
        let max = 0;
        for (let i = 0; i < 32; i++) max = Math.max(max, Math.abs(values[first + i]!));
        if (max < EPSILON) continue;
        importanceWeights(
          values,
          first,
          variance,
          importance.subarray(first - start, first - start + 32),
          weights,
        );
        sortPositions(values, first, 32, order);
        let scale = bestSplit(values, first);
        if (shift === 0) continue;
        assignLevels(order, 32, split0, split1, scale < 0, levels);
        if (scale < 0) {
          scale = -scale;
          shift = -shift;
        }
        const shifted = shift === 1 ? SHIFTED_UP : SHIFTED_DOWN;
        const wanted = { values: values.subarray(first, first + 32), weights };
        let moved = false;
        let high = 0;
        for (let group = 0; group < 4; group++) {
          let code = placeEight(book, levels, scale, shifted, wanted, 8 * group);
          if (code < 0) {
            moved = true;
            code = -1 - code;
          }
          gridCodes[group] = code;
          out[at + 2 + 4 * sub + group] = code;
          high |= (code >> 8) << (3 * group);
        }
        out[at + 34 + 2 * sub] = high;
        out[at + 35 + 2 * sub] = high >> 8;
        if (moved) scale = refinedScale(values, first, shifted, scale);
        scales[sub] = scale;
        shifts[sub] = shift;
        if (scale > maxScale) maxScale = scale;
      }
      if (maxScale === 0) continue;
      const d = fround(maxScale / 15);
      writeHalf(out, at, fround(d * CORRECTION));
      const inverse = fround(1 / d);
      for (let sub = 0; sub < 8; sub++) {
        const code = ternaryScaleCode(inverse, scales[sub]!);
        out[at + 35 + 2 * sub]! |= (code | (shifts[sub] === -1 ? 8 : 0)) << 4;
      }
    }
  },
});

/** Tries every split of the 32 sorted values under both shifts; sets `split0`, `split1` and `shift` (0: none fits). */
function bestSplit(values: Float32Array, first: number): number {
  for (let j = 0; j < 32; j++) {
    const i = order[j]!;
    const weight = weights[i]!;
    sumX[j + 1] = sumX[j]! + fround(weight * values[first + i]!);
    sumW[j + 1] = sumW[j]! + weight;
  }
  for (let i = 0; i <= 32; i++) {
    const x = fround(sumX[32]! - sumX[i]!);
    const w = fround(sumW[32]! - sumW[i]!);
    aboveXUp[i] = x * 1.125;
    aboveXDown[i] = x * 0.875;
    aboveWUp[i] = fround(w * 1.125) * 1.125;
    aboveWDown[i] = fround(w * 0.875) * 0.875;
  }
  let best = -FLOAT_MAX;
  let scale = 0;
  shift = 0;
  for (let i0 = 0; i0 <= 32; i0++) {
    const x0 = sumX[i0]!;
    const w0 = sumW[i0]!;
    const belowXUp = fround(x0 * -0.875);
    const belowXDown = fround(x0 * -1.125);
    const belowWUp = fround(fround(w0 * -0.875) * -0.875);
    const belowWDown = fround(fround(w0 * -1.125) * -1.125);
    for (let i1 = i0; i1 <= 32; i1++) {
      const middleX = fround(fround(sumX[i1]! - x0) * 0.125);
      const middleW = fround(fround(fround(sumW[i1]! - w0) * 0.125) * 0.125);
      let sumQx = fround(fround(belowXUp + middleX) + aboveXUp[i1]!);
      let sumQ2 = fround(fround(belowWUp + middleW) + aboveWUp[i1]!);
      if (sumQ2 > 0 && fround(sumQx * sumQx) > fround(best * sumQ2)) {
        scale = fround(sumQx / sumQ2);
        best = fround(scale * sumQx);
        split0 = i0;
        split1 = i1;
        shift = 1;
      }
      sumQx = fround(fround(belowXDown - middleX) + aboveXDown[i1]!);
      sumQ2 = fround(fround(belowWDown + middleW) + aboveWDown[i1]!);
      if (sumQ2 > 0 && fround(sumQx * sumQx) > fround(best * sumQ2)) {
        scale = fround(sumQx / sumQ2);
        best = fround(scale * sumQx);
        split0 = i0;
        split1 = i1;
        shift = -1;
      }
    }
  }
  return scale;
}

/** The best scale for levels that the grid changed. */
function refinedScale(values: Float32Array, first: number, shifted: Float32Array, scale: number): number {
  let sumQx = 0;
  let sumQ2 = 0;
  for (let i = 0; i < 32; i++) {
    const q = shifted[levels[i]!]!;
    const weighted = fround(weights[i]! * q);
    sumQx = fround(sumQx + fround(weighted * values[first + i]!));
    sumQ2 = fround(sumQ2 + fround(weighted * q));
  }
  return sumQx > 0 && sumQ2 > 0 ? fround(sumQx / sumQ2) : scale;
}
