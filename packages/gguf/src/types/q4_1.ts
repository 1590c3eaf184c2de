import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { roundToRange } from "./direct-rounding.ts";
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
const search: ScaleAndMinSearch = /* @__PURE__ */ importanceSearch(15);
const mins: Float32Array = /* @__PURE__ */ new Float32Array(1);

/** block_q4_1: 32 weights in 20 bytes
 *   0  d   f16     scale
 *   2  m   f16     the smallest value
 *   4  qs  u8[16]  low nibbles are weights 0–15, high nibbles 16–31
 * value = q × d + m
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c.
 */
export const Q4_1: BlockCodec = /* @__PURE__ */ blockCodec("Q4_1", {
  importance: "used",
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 20, to += 32) {
      const d = readHalf(bytes, at);
      const m = readHalf(bytes, at + 2);
      for (let j = 0; j < 16; j++) {
        const q = bytes[at + 4 + j]!;
        out[to + j] = (q & 15) * d + m;
        out[to + 16 + j] = (q >> 4) * d + m;
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, importance) {
    const variance = importance === undefined ? 0 : meanSquare(values, start, end, 1);
    for (let from = start, at = outOffset; from < end; from += 32, at += 20) {
      let d: number;
      if (importance === undefined) {
        d = roundToRange(values, from, 15, codes, mins);
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
      for (let j = 0; j < 16; j++) out[at + 4 + j] = codes[j]! | (codes[j + 16]! << 4);
    }
  },
});
