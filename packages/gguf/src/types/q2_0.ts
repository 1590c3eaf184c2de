import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { roundHalfAway } from "./rounding.ts";

const fround = Math.fround;

/** block_q2_0: 64 weights in 18 bytes
 *   0  d   f16     scale: the largest magnitude
 *   2  qs  u8[16]  byte j holds weights 4j + k in bits 2k, k = 0…3
 * value = (q − 1) × d; the quantizer never writes q = 3
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c.
 */
export const Q2_0: BlockCodec = /* @__PURE__ */ blockCodec("Q2_0", {
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 18, to += 64) {
      const d = readHalf(bytes, at);
      for (let j = 0; j < 64; j++) out[to + j] = (((bytes[at + 2 + (j >> 2)]! >> (2 * (j & 3))) & 3) - 1) * d;
    }
  },
  quantizeRow(values, start, end, out, outOffset) {
    for (let from = start, at = outOffset; from < end; from += 64, at += 18) {
      let d = 0;
      for (let j = 0; j < 64; j++) {
        const magnitude = Math.abs(values[from + j]!);
        if (magnitude > d) d = magnitude;
      }
      const inverse = d > 0 ? fround(1 / d) : 0;
      writeHalf(out, at, d);
      for (let j = 0; j < 16; j++) {
        let packed = 0;
        for (let k = 0; k < 4; k++) packed |= code(fround(values[from + 4 * j + k]! * inverse)) << (2 * k);
        out[at + 2 + j] = packed;
      }
    }
  },
});

/** Where 1 / d overflowed, C's cast gives the most negative integer, hence code 0. */
function code(scaled: number): number {
  if (!(scaled > -2147483648 && scaled < 2147483648)) return 0;
  return Math.max(0, Math.min(3, roundHalfAway(scaled) + 1));
}
