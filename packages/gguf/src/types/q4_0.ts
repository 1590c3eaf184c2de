import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { roundToExtreme } from "./direct-rounding.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { importanceWeights, meanSquare, searchScale } from "./scale-search.ts";

const weights: Float32Array = /* @__PURE__ */ new Float32Array(32);
const codes: Uint8Array = /* @__PURE__ */ new Uint8Array(32);

/** block_q4_0: 32 weights in 18 bytes
 *   0  d   f16     scale
 *   2  qs  u8[16]  low nibbles are weights 0–15, high nibbles 16–31
 * value = (q − 8) × d
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c.
 */
export const Q4_0: BlockCodec = /* @__PURE__ */ blockCodec("Q4_0", {
  importance: "used",
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 18, to += 32) {
      const d = readHalf(bytes, at);
      for (let j = 0; j < 16; j++) {
        const q = bytes[at + 2 + j]!;
        out[to + j] = ((q & 15) - 8) * d;
        out[to + 16 + j] = ((q >> 4) - 8) * d;
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, importance) {
    const variance = importance === undefined ? 0 : meanSquare(values, start, end, 1);
    for (let from = start, at = outOffset; from < end; from += 32, at += 18) {
      let d: number;
      if (importance === undefined) {
        d = roundToExtreme(values, from, 8, codes);
      } else {
        importanceWeights(
          values,
          from,
          variance,
          importance.subarray(from - start, from - start + 32),
          weights,
        );
        d = searchScale(values, from, 8, weights, codes);
      }
      writeHalf(out, at, d);
      for (let j = 0; j < 16; j++) out[at + 2 + j] = codes[j]! | (codes[j + 16]! << 4);
    }
  },
});
