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
import { IQ2_XS_GRID } from "./iq/grids.ts";
import { requireImportance } from "./iq/require-importance.ts";
import { EVEN_SIGN_BYTES, splitEvenSigns } from "./iq/signs.ts";
import { GROUP_EPSILON, importanceWeights, meanSquare } from "./scale-search.ts";

const fround = Math.fround;

const decoded = /* @__PURE__ */ lazy(() => decodedGrid(IQ2_XS_GRID, EIGHT_OF_THREE, IQ2_VALUES));
const codebook = /* @__PURE__ */ lazy(() => buildCodebook(IQ2_XS_GRID, EIGHT_OF_THREE, 2));

const FIT: GridFit = { length: 16, stepCount: 9, stepSize: /* @__PURE__ */ fround(0.1), refit: "missing" };

const signs: Uint8Array = /* @__PURE__ */ new Uint8Array(2);
const scales: Float32Array = /* @__PURE__ */ new Float32Array(16);

/** block_iq2_xs: 256 weights in 74 bytes
 *   0  d       f16      scale of the super-block
 *   2  qs      u16[32]  one per group of 8: bits 0–8 grid code, bits 9–15 signs (the eighth makes the negative ones even)
 *  66  scales  u8[8]    scales s of the sub-blocks of 16: low nibble even ones, high nibble odd ones
 * value = d × (s + 1/2) / 4 × grid(q) × sign, grid values 8, 25, 43
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c (quantize_row_iq2_xs_impl).
 */
export const IQ2_XS: BlockCodec = /* @__PURE__ */ blockCodec("IQ2_XS", {
  importance: "required",
  dequantizeBlocks(bytes, blockCount, out) {
    const grid = decoded();
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 74) {
      const d = readHalf(bytes, at);
      for (let group = 0; group < 32; group++, to += 8) {
        const scale = d * (0.5 + ((bytes[at + 66 + (group >> 2)]! >> (2 * (group & 2))) & 15)) * 0.25;
        const q = bytes[at + 2 + 2 * group]! | (bytes[at + 3 + 2 * group]! << 8);
        writeEight(out, to, scale, grid, 8 * (q & 511), EVEN_SIGN_BYTES[q >> 9]!);
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, givenImportance) {
    const importance = requireImportance("IQ2_XS", givenImportance);
    const book = codebook();
    for (let from = start, at = outOffset; from < end; from += 256, at += 74) {
      out.fill(0, at, at + 74);
      const variance = meanSquare(values, from, from + 256, 1);
      let maxScale = 0;
      for (let sub = 0; sub < 16; sub++) {
        const first = from + 16 * sub;
        importanceWeights(
          values,
          first,
          variance,
          importance.subarray(first - start, first - start + 16),
          weights,
        );
        takeRoots(16);
        splitEvenSigns(values, first, 16, weights, magnitudes, signs);
        const max = maxMagnitude(16);
        scales[sub] = 0;
        if (max < GROUP_EPSILON) continue;
        let scale = fitScale(book, FIT, max, fround(max / 5));
        let flip = 0;
        if (scale < 0) {
          scale = -scale;
          flip = 127;
        }
        scales[sub] = scale;
        if (scale > maxScale) maxScale = scale;
        for (let group = 0; group < 2; group++) {
          const q = book.codes[words[group]!]! | ((signs[group]! ^ flip) << 9);
          out[at + 2 + 4 * sub + 2 * group] = q;
          out[at + 3 + 4 * sub + 2 * group] = q >> 8;
        }
      }
      if (maxScale === 0) {
        out.fill(0, at, at + 74);
        continue;
      }
      const d = fround(maxScale / 31);
      writeHalf(out, at, d);
      const inverse = fround(1 / d);
      for (let pair = 0; pair < 8; pair++) {
        out[at + 66 + pair] =
          scaleCode(inverse, scales[2 * pair]!) | (scaleCode(inverse, scales[2 * pair + 1]!) << 4);
      }
    }
  },
});
