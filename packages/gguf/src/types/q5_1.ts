import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { roundToRange } from "./direct-rounding.ts";
import { packFiveBitCodes } from "./five-bit-codes.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import {
  importanceSearch,
  importanceWeights,
  meanSquare,
  type ScaleAndMinSearch,
  searchScaleAndMin,
} from "./scale-search.ts";

const weights: Float32Array = /* @__PURE__ */ new Float32Array(32);
const codes: Uint8Array = /* @__PURE__ */ new Uint8Array(32);
const search: ScaleAndMinSearch = /* @__PURE__ */ importanceSearch(31);
const mins: Float32Array = /* @__PURE__ */ new Float32Array(1);

/** block_q5_1: 32 weights in 24 bytes
 *   0  d   f16     scale
 *   2  m   f16     the smallest value
 *   4  qh  u8[4]   bit i, counted from the lowest byte's lowest bit, is bit 4 of weight i
 *   8  qs  u8[16]  low nibbles are bits 0–3 of weights 0–15, high nibbles of 16–31
 * value = q × d + m
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c.
 */
export const Q5_1: BlockCodec = /* @__PURE__ */ blockCodec("Q5_1", {
  importance: "used",
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 24, to += 32) {
      const d = readHalf(bytes, at);
      const m = readHalf(bytes, at + 2);
      const qh = bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24);
      for (let j = 0; j < 16; j++) {
        const q = bytes[at + 8 + j]!;
        out[to + j] = ((q & 15) | (((qh >> j) << 4) & 16)) * d + m;
        out[to + 16 + j] = ((q >> 4) | ((qh >> (j + 12)) & 16)) * d + m;
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, importance) {
    const variance = importance === undefined ? 0 : meanSquare(values, start, end, 1);
    for (let from = start, at = outOffset; from < end; from += 32, at += 24) {
      let d: number;
      if (importance === undefined) {
        d = roundToRange(values, from, 31, codes, mins);
      } else {
        importanceWeights(
          values,
          from,
          variance,
          importance.subarray(from - start, from - start + 32),
          weights,
        );
        const found = searchScaleAndMin(search, values, from, weights, codes);
        d = found.scale;
        mins[0] = found.min;
      }
      writeHalf(out, at, d);
      writeHalf(out, at + 2, -mins[0]!);
      packFiveBitCodes(codes, out, at + 4);
    }
  },
});
