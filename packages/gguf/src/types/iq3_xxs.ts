import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { buildCodebook, decodedGrid, FOUR_OF_EIGHT, lazy } from "./iq/codebook.ts";
import { IQ3_XXS_VALUES, writeFour } from "./iq/decode.ts";
import {
  fitScale,
  type GridFit,
  magnitudes,
  maxMagnitude,
  scaleCode,
  takeRoots,
  weights,
  words,
} from "./iq/grid-fit.ts";
import { IQ3_XXS_GRID } from "./iq/grids.ts";
import { EVEN_SIGN_BYTES, splitEvenSigns } from "./iq/signs.ts";
import { squareWeights } from "./iq/weights.ts";
import { importanceWeights, meanSquare } from "./scale-search.ts";

const fround = Math.fround;

const decoded = /* @__PURE__ */ lazy(() => decodedGrid(IQ3_XXS_GRID, FOUR_OF_EIGHT, IQ3_XXS_VALUES));
const codebook = /* @__PURE__ */ lazy(() => buildCodebook(IQ3_XXS_GRID, FOUR_OF_EIGHT, 2));

const FIT: GridFit = { length: 32, stepCount: 15, stepSize: /* @__PURE__ */ fround(0.2), refit: "missing" };

/** Below this largest magnitude a sub-block counts as all zero. */
const EPSILON: number = /* @__PURE__ */ fround(1e-8);

/** ggml's correction of the super-block's scale. */
const CORRECTION: number = /* @__PURE__ */ fround(1.0125);

const signs: Uint8Array = /* @__PURE__ */ new Uint8Array(4);
const scales: Float32Array = /* @__PURE__ */ new Float32Array(8);

/** block_iq3_xxs: 256 weights in 98 bytes
 *   0  d   f16     scale of the super-block
 *   2  qs  u8[64]  grid codes of the groups of 4
 *  66      u32[8]  one per sub-block of 32:
 *                  bits 0–27: signs, 7 bits per 8 weights (the eighth makes the negative ones even)
 *                  bits 28–31: scale s of the sub-block
 * value = d × (s + 1/2) / 2 × grid(q) × sign, grid values 4, 12, 20, 28, 36, 44, 52, 62
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c (quantize_row_iq3_xxs_impl).
 */
export const IQ3_XXS: BlockCodec = /* @__PURE__ */ blockCodec("IQ3_XXS", {
  importance: "used",
  dequantizeBlocks(bytes, blockCount, out) {
    const grid = decoded();
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 98) {
      const d = readHalf(bytes, at);
      let q = at + 2;
      for (let s = at + 66; s < at + 98; s += 4) {
        const signCodes = bytes[s]! | (bytes[s + 1]! << 8) | (bytes[s + 2]! << 16) | (bytes[s + 3]! << 24);
        const scale = d * (0.5 + (signCodes >>> 28)) * 0.5;
        for (let eight = 0; eight < 4; eight++, q += 2, to += 8) {
          const signByte = EVEN_SIGN_BYTES[(signCodes >> (7 * eight)) & 127]!;
          writeFour(out, to, scale, grid, 4 * bytes[q]!, 8 * signByte);
          writeFour(out, to + 4, scale, grid, 4 * bytes[q + 1]!, 8 * signByte + 4);
        }
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, importance) {
    const book = codebook();
    for (let from = start, at = outOffset; from < end; from += 256, at += 98) {
      out.fill(0, at, at + 98);
      const variance = meanSquare(values, from, from + 256, 2);
      let maxScale = 0;
      for (let sub = 0; sub < 8; sub++) {
        const first = from + 32 * sub;
        if (importance === undefined) squareWeights(values, first, 32, weights);
        else
          importanceWeights(
            values,
            first,
            variance,
            importance.subarray(first - start, first - start + 32),
            weights,
          );
        takeRoots(32);
        splitEvenSigns(values, first, 32, weights, magnitudes, signs);
        const max = maxMagnitude(32);
        scales[sub] = 0;
        if (max < EPSILON) continue;
        let scale = fitScale(book, FIT, max, fround(max / 15));
        let flip = 0;
        if (scale < 0) {
          scale = -scale;
          flip = 127;
        }
        scales[sub] = scale;
        if (scale > maxScale) maxScale = scale;
        for (let group = 0; group < 8; group++) out[at + 2 + 8 * sub + group] = book.codes[words[group]!]!;
        let signCodes = 0;
        for (let eight = 0; eight < 4; eight++) signCodes |= (signs[eight]! ^ flip) << (7 * eight);
        const s = at + 66 + 4 * sub;
        out[s] = signCodes;
        out[s + 1] = signCodes >> 8;
        out[s + 2] = signCodes >> 16;
        out[s + 3] = signCodes >> 24;
      }
      if (maxScale === 0) {
        out.fill(0, at, at + 98);
        continue;
      }
      const d = fround(maxScale / 31);
      writeHalf(out, at, fround(d * CORRECTION));
      const inverse = fround(1 / d);
      for (let sub = 0; sub < 8; sub++) out[at + 69 + 4 * sub]! |= scaleCode(inverse, scales[sub]!) << 4;
    }
  },
});
