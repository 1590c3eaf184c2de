import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { buildCodebook, decodedGrid, EIGHT_OF_THREE, lazy } from "./iq/codebook.ts";
import { IQ2_VALUES, writeEight } from "./iq/decode.ts";
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
import { IQ2_XXS_GRID } from "./iq/grids.ts";
import { requireImportance } from "./iq/require-importance.ts";
import { EVEN_SIGN_BYTES, splitEvenSigns } from "./iq/signs.ts";
import { GROUP_EPSILON, importanceWeights, meanSquare, searchPositiveScale } from "./scale-search.ts";

const fround = Math.fround;

const decoded = /* @__PURE__ */ lazy(() => decodedGrid(IQ2_XXS_GRID, EIGHT_OF_THREE, IQ2_VALUES));
const codebook = /* @__PURE__ */ lazy(() => buildCodebook(IQ2_XXS_GRID, EIGHT_OF_THREE, 2));

const FIT: GridFit = { length: 32, stepCount: 6, stepSize: /* @__PURE__ */ fround(0.1), refit: "all" };

const signs: Uint8Array = /* @__PURE__ */ new Uint8Array(4);
const scales: Float32Array = /* @__PURE__ */ new Float32Array(8);
const ignoredLevels: Uint8Array = /* @__PURE__ */ new Uint8Array(32);

/** block_iq2_xxs: 256 weights in 66 bytes
 *   0  d   f16         scale of the super-block
 *   2  qs  8 × 8 bytes, one per sub-block of 32:
 *          u8[4]       grid codes of its groups of 8
 *          u32         bits 0–27: signs of the groups, 7 bits each (the eighth makes the negative ones even)
 *                      bits 28–31: scale s of the sub-block
 * value = d × (s + 1/2) / 4 × grid(q) × sign, grid values 8, 25, 43
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c (quantize_row_iq2_xxs_impl).
 */
export const IQ2_XXS: BlockCodec = /* @__PURE__ */ blockCodec("IQ2_XXS", {
  importance: "required",
  dequantizeBlocks(bytes, blockCount, out) {
    const grid = decoded();
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 66) {
      const d = readHalf(bytes, at);
      for (let q = at + 2; q < at + 66; q += 8) {
        const signCodes =
          bytes[q + 4]! | (bytes[q + 5]! << 8) | (bytes[q + 6]! << 16) | (bytes[q + 7]! << 24);
        const scale = d * (0.5 + (signCodes >>> 28)) * 0.25;
        for (let group = 0; group < 4; group++, to += 8) {
          const signByte = EVEN_SIGN_BYTES[(signCodes >> (7 * group)) & 127]!;
          writeEight(out, to, scale, grid, 8 * bytes[q + group]!, signByte);
        }
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, givenImportance) {
    const importance = requireImportance("IQ2_XXS", givenImportance);
    const book = codebook();
    for (let from = start, at = outOffset; from < end; from += 256, at += 66) {
      out.fill(0, at, at + 66);
      const variance = meanSquare(values, from, from + 256, 1);
      let maxScale = 0;
      for (let sub = 0; sub < 8; sub++) {
        const first = from + 32 * sub;
        scales[sub] = 0;
        importanceWeights(
          values,
          first,
          variance,
          importance.subarray(first - start, first - start + 32),
          weights,
        );
        takeRoots(32);
        splitEvenSigns(values, first, 32, weights, magnitudes, signs);
        if (maxMagnitude(32) < GROUP_EPSILON) continue;
        const firstScale = searchPositiveScale(magnitudes, 32, 4, weights, ignoredLevels);
        const reach = fround(firstScale * 3);
        if (reach <= 0) continue;
        let scale = fitScale(book, FIT, reach, firstScale);
        let flip = 0;
        if (scale < 0) {
          scale = -scale;
          flip = 127;
        }
        scales[sub] = scale;
        if (scale > maxScale) maxScale = scale;
        const q = at + 2 + 8 * sub;
        let signCodes = 0;
        for (let group = 0; group < 4; group++) {
          out[q + group] = book.codes[words[group]!]!;
          signCodes |= (signs[group]! ^ flip) << (7 * group);
        }
        out[q + 4] = signCodes;
        out[q + 5] = signCodes >> 8;
        out[q + 6] = signCodes >> 16;
        out[q + 7] = signCodes >> 24;
      }
      if (maxScale === 0) {
        out.fill(0, at, at + 66);
        continue;
      }
      const d = fround(maxScale / 31);
      writeHalf(out, at, d);
      const inverse = fround(1 / d);
      for (let sub = 0; sub < 8; sub++) out[at + 9 + 8 * sub]! |= scaleCode(inverse, scales[sub]!) << 4;
    }
  },
});
