import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { roundHalfAway } from "./rounding.ts";

const fround = Math.fround;

/** block_tq2_0: 256 ternary weights in 66 bytes
 *    0  qs  u8[64]  byte 32h + l holds weights 128h + l + 32k in bits 2k, k = 0…3
 *   64  d   f16     scale
 * value = (q − 1) × d
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c.
 */
export const TQ2_0: BlockCodec = /* @__PURE__ */ blockCodec("TQ2_0", {
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 66, to += 256) {
      const d = readHalf(bytes, at + 64);
      for (let plane = 0; plane < 8; plane++) {
        const qs = at + 32 * (plane >> 2);
        const shift = 2 * (plane & 3);
        for (let l = 0; l < 32; l++) out[to + 32 * plane + l] = (((bytes[qs + l]! >> shift) & 3) - 1) * d;
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset) {
    for (let from = start, at = outOffset; from < end; from += 256, at += 66) {
      let d = 0;
      for (let j = 0; j < 256; j++) {
        const magnitude = Math.abs(values[from + j]!);
        if (magnitude > d) d = magnitude;
      }
      const inverse = d !== 0 ? fround(1 / d) : 0;
      for (let l = 0; l < 64; l++) {
        const first = from + 128 * (l >> 5) + (l & 31);
        let packed = 0;
        for (let k = 0; k < 4; k++) {
          packed |= ((roundHalfAway(fround(values[first + 32 * k]! * inverse)) + 1) & 3) << (2 * k);
        }
        out[at + l] = packed;
      }
      writeHalf(out, at + 64, d);
    }
  },
});
