import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { buildCodebook, decodedGrid, FOUR_OF_EIGHT, lazy } from "./iq/codebook.ts";
import { IQ3_S_VALUES, writeFour } from "./iq/decode.ts";
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
import { IQ3_S_GRID } from "./iq/grids.ts";
import { splitSigns } from "./iq/signs.ts";
import { squareWeights } from "./iq/weights.ts";
import { importanceWeights, meanSquare } from "./scale-search.ts";

const fround = Math.fround;

const decoded = /* @__PURE__ */ lazy(() => decodedGrid(IQ3_S_GRID, FOUR_OF_EIGHT, IQ3_S_VALUES));
const codebook = /* @__PURE__ */ lazy(() => buildCodebook(IQ3_S_GRID, FOUR_OF_EIGHT, 3));

const FIT: GridFit = {
  length: 32,
  stepCount: 9,
  stepSize: /* @__PURE__ */ fround(0.2),
  refit: "all-if-missing",
};

/** ggml's correction of the super-block's scale. */
const CORRECTION: number = /* @__PURE__ */ fround(1.033);

const signs: Uint8Array = /* @__PURE__ */ new Uint8Array(4);
const scales: Float32Array = /* @__PURE__ */ new Float32Array(8);

/** block_iq3_s: 256 weights in 110 bytes
 *   0  d       f16     scale of the super-block
 *   2  qs      u8[64]  low 8 bits of the grid codes of the groups of 4
 *  66  qh      u8[8]   bit 8 of the grid codes: byte g / 8, bit g mod 8
 *  74  signs   u8[32]  bit j: weight j of the 8 is negative
 * 106  scales  u8[4]   scales s of the sub-blocks of 32: low nibble even ones, high nibble odd ones
 * value = d × (2 × s + 1) × grid(q) × sign, grid values 1, 3, 5 … 15
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c (quantize_row_iq3_s_impl).
 */
export const IQ3_S: BlockCodec = /* @__PURE__ */ blockCodec("IQ3_S", {
  importance: "used",
  dequantizeBlocks(bytes, blockCount, out) {
    const grid = decoded();
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 110) {
      const d = readHalf(bytes, at);
      for (let eight = 0; eight < 32; eight++, to += 8) {
        const scale = d * (1 + 2 * ((bytes[at + 106 + (eight >> 3)]! >> (eight & 4)) & 15));
        const high = bytes[at + 66 + (eight >> 2)]! >> (2 * (eight & 3));
        const q = at + 2 + 2 * eight;
        const signByte = bytes[at + 74 + eight]!;
        writeFour(out, to, scale, grid, 4 * (bytes[q]! | ((high & 1) << 8)), 8 * signByte);
        writeFour(out, to + 4, scale, grid, 4 * (bytes[q + 1]! | ((high & 2) << 7)), 8 * signByte + 4);
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, importance) {
    const book = codebook();
    for (let from = start, at = outOffset; from < end; from += 256, at += 110) {
      out.fill(0, at, at + 110);
      const variance = meanSquare(values, from, from + 256, 2);
      let maxScale = 0;
      // ggml does not move on in qs and signs past an all-zero sub-block, so what follows it lands too early and decodes
      // to other weights. Its bytes are the contract here, so the same is done.
      let written = 0;
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
        splitSigns(values, first, 32, magnitudes, signs);
        const max = maxMagnitude(32);
        scales[sub] = 0;
        if (!(max > 0)) continue;
        let scale = fitScale(book, FIT, max, fround(max / 15));
        let flip = 0;
        if (scale < 0) {
          scale = -scale;
          flip = 255;
        }
        scales[sub] = scale;
        if (scale > maxScale) maxScale = scale;
        for (let group = 0; group < 8; group++) {
          const code = book.codes[words[group]!]!;
          out[at + 2 + 8 * written + group] = code;
          out[at + 66 + sub]! |= (code >> 8) << group;
        }
        for (let eight = 0; eight < 4; eight++) out[at + 74 + 4 * written + eight] = signs[eight]! ^ flip;
        written++;
      }
      if (maxScale === 0) continue;
      const d = fround(maxScale / 31);
      writeHalf(out, at, fround(d * CORRECTION));
      const inverse = fround(1 / d);
      for (let pair = 0; pair < 4; pair++) {
        out[at + 106 + pair] =
          scaleCode(inverse, scales[2 * pair]!) | (scaleCode(inverse, scales[2 * pair + 1]!) << 4);
      }
    }
  },
});
