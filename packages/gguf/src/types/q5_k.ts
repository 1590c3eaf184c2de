import type { BlockCodec } from "@requant/core";
import {
  type AffineSearches,
  affineSearches,
  codes,
  quantizeAffineSuperBlock,
  unpackMin,
  unpackScale,
} from "./affine-super-block.ts";
import { blockCodec } from "./block-codec.ts";
import { readHalf } from "./half-field.ts";

const searches: AffineSearches = /* @__PURE__ */ affineSearches(31, -0.5, 15);

/** block_q5_K: 256 weights in 176 bytes, sub-blocks of 32
 *    0  d       f16      scale of the scales
 *    2  dmin    f16      scale of the mins
 *    4  scales  u8[12]   six-bit scale and min per sub-block, packed as affine-super-block.ts shows
 *   16  qh      u8[32]   bit j of byte l is bit 4 of weight 32j + l
 *   48  qs      u8[128]  byte 32g + l: low nibble weight 64g + l, high nibble weight 64g + 32 + l
 * value = d × scale × q − dmin × min
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c.
 */
export const Q5_K: BlockCodec = /* @__PURE__ */ blockCodec("Q5_K", {
  importance: "used",
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 176, to += 256) {
      const d = readHalf(bytes, at);
      const dmin = readHalf(bytes, at + 2);
      for (let g = 0; g < 4; g++) {
        const d0 = d * unpackScale(bytes, at + 4, 2 * g);
        const m0 = dmin * unpackMin(bytes, at + 4, 2 * g);
        const d1 = d * unpackScale(bytes, at + 4, 2 * g + 1);
        const m1 = dmin * unpackMin(bytes, at + 4, 2 * g + 1);
        const qh = at + 16;
        const qs = at + 48 + 32 * g;
        const group = to + 64 * g;
        for (let l = 0; l < 32; l++) {
          const q = bytes[qs + l]!;
          const high = bytes[qh + l]! >> (2 * g);
          out[group + l] = d0 * ((q & 15) | ((high & 1) << 4)) - m0;
          out[group + 32 + l] = d1 * ((q >> 4) | ((high & 2) << 3)) - m1;
        }
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, importance) {
    for (let from = start, at = outOffset; from < end; from += 256, at += 176) {
      const weights = importance?.subarray(from - start, from - start + 256);
      quantizeAffineSuperBlock(searches, values, from, weights, out, at);
      for (let l = 0; l < 32; l++) {
        let high = 0;
        for (let g = 0; g < 4; g++) {
          const low = codes[64 * g + l]!;
          const up = codes[64 * g + 32 + l]!;
          high |= ((low >> 4) | ((up >> 4) << 1)) << (2 * g);
          out[at + 48 + 32 * g + l] = (low & 15) | ((up & 15) << 4);
        }
        out[at + 16 + l] = high;
      }
    }
  },
});
