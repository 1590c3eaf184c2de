import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { roundToExtreme } from "./direct-rounding.ts";
import { packFiveBitCodes } from "./five-bit-codes.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { importanceWeights, meanSquare, searchScale } from "./scale-search.ts";

const weights: Float32Array = /* @__PURE__ */ new Float32Array(32);
const codes: Uint8Array = /* @__PURE__ */ new Uint8Array(32);

/** block_q5_0: 32 weights in 22 bytes
 *   0  d   f16     scale
 *   2  qh  u8[4]   bit i, counted from the lowest byte's lowest bit, is bit 4 of weight i
 *   6  qs  u8[16]  low nibbles are bits 0–3 of weights 0–15, high nibbles of 16–31
 * value = (q − 16) × d
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c.
 */
export const Q5_0: BlockCodec = /* @__PURE__ */ blockCodec("Q5_0", {
  importance: "used",
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 22, to += 32) {
      const d = readHalf(bytes, at);
      const qh = bytes[at + 2]! | (bytes[at + 3]! << 8) | (bytes[at + 4]! << 16) | (bytes[at + 5]! << 24);
      for (let j = 0; j < 16; j++) {
        const q = bytes[at + 6 + j]!;
        out[to + j] = (((q & 15) | (((qh >> j) << 4) & 16)) - 16) * d;
        out[to + 16 + j] = (((q >> 4) | ((qh >> (j + 12)) & 16)) - 16) * d;
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, importance) {
    const variance = importance === undefined ? 0 : meanSquare(values, start, end, 1);
    for (let from = start, at = outOffset; from < end; from += 32, at += 22) {
      let d: number;
      if (importance === undefined) {
        d = roundToExtreme(values, from, 16, codes);
      } else {
        importanceWeights(
          values,
          from,
          variance,
          importance.subarray(from - start, from - start + 32),
          weights,
        );
        d = searchScale(values, from, 16, weights, codes);
      }
      writeHalf(out, at, d);
      packFiveBitCodes(codes, out, at + 2);
    }
  },
});
