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
import { IQ2_S_GRID } from "./iq/grids.ts";
import { splitSigns } from "./iq/signs.ts";
import { importanceWeights, meanSquare } from "./scale-search.ts";

const fround = Math.fround;

const decoded = /* @__PURE__ */ lazy(() => decodedGrid(IQ2_S_GRID, EIGHT_OF_THREE, IQ2_VALUES));
const codebook = /* @__PURE__ */ lazy(() => buildCodebook(IQ2_S_GRID, EIGHT_OF_THREE, 1));

const FIT: GridFit = { length: 16, stepCount: 9, stepSize: /* @__PURE__ */ fround(0.1), refit: "missing" };

/** Below this largest magnitude a sub-block counts as all zero. */
const EPSILON: number = /* @__PURE__ */ fround(1e-8);

/** ggml's correction of the super-block's scale. */
const CORRECTION: number = /* @__PURE__ */ fround(0.9875);

const signs: Uint8Array = /* @__PURE__ */ new Uint8Array(2);
const scales: Float32Array = /* @__PURE__ */ new Float32Array(16);

/** block_iq2_s: 256 weights in 82 bytes
 *   0  d       f16     scale of the super-block
 *   2  qs      u8[32]  low 8 bits of the grid codes of the groups of 8
 *  34  signs   u8[32]  bit j: weight j of the group is negative
 *  66  qh      u8[8]   bits 8–9 of the grid codes: byte g / 4, bits 2 × (g mod 4) and up
 *  74  scales  u8[8]   scales s of the sub-blocks of 16: low nibble even ones, high nibble odd ones
 * value = d × (s + 1/2) / 4 × grid(q) × sign, grid values 8, 25, 43
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c (quantize_row_iq2_s_impl).
 */
export const IQ2_S: BlockCodec = /* @__PURE__ */ blockCodec("IQ2_S", {
  importance: "used",
  dequantizeBlocks(bytes, blockCount, out) {
    const grid = decoded();
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 82) {
      const d = readHalf(bytes, at);
      for (let group = 0; group < 32; group++, to += 8) {
        const scale = d * (0.5 + ((bytes[at + 74 + (group >> 2)]! >> (2 * (group & 2))) & 15)) * 0.25;
        const high = (bytes[at + 66 + (group >> 2)]! >> (2 * (group & 3))) & 3;
        writeEight(out, to, scale, grid, 8 * (bytes[at + 2 + group]! | (high << 8)), bytes[at + 34 + group]!);
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, importance) {
    const book = codebook();
    for (let from = start, at = outOffset; from < end; from += 256, at += 82) {
      out.fill(0, at, at + 82);
      const variance = meanSquare(values, from, from + 256, 2);
      let maxScale = 0;
      for (let sub = 0; sub < 16; sub++) {
        const first = from + 16 * sub;
        if (importance !== undefined) {
          importanceWeights(
            values,
            first,
            variance,
            importance.subarray(first - start, first - start + 16),
            weights,
          );
        } else {
          for (let i = 0; i < 16; i++) {
            const value = values[first + i]!;
            weights[i] = fround(0.25 * variance) + fround(value * value);
          }
        }
        takeRoots(16);
        splitSigns(values, first, 16, magnitudes, signs);
        const max = maxMagnitude(16);
        scales[sub] = 0;
        if (max < EPSILON) continue;
        let scale = fitScale(book, FIT, max, fround(max / 5));
        let flip = 0;
        if (scale < 0) {
          scale = -scale;
          flip = 255;
        }
        scales[sub] = scale;
        if (scale > maxScale) maxScale = scale;
        for (let i = 0; i < 2; i++) {
          const group = 2 * sub + i;
          const code = book.codes[words[i]!]!;
          out[at + 2 + group] = code;
          out[at + 34 + group] = signs[i]! ^ flip;
          out[at + 66 + (group >> 2)]! |= (code >> 8) << (2 * (group & 3));
        }
      }
      if (maxScale === 0) continue;
      const d = fround(maxScale / 31);
      writeHalf(out, at, fround(d * CORRECTION));
      const inverse = fround(1 / d);
      for (let pair = 0; pair < 8; pair++) {
        out[at + 74 + pair] =
          scaleCode(inverse, scales[2 * pair]!) | (scaleCode(inverse, scales[2 * pair + 1]!) << 4);
      }
    }
  },
});
