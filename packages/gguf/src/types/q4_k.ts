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

const searches: AffineSearches = /* @__PURE__ */ affineSearches(15, -1, 20);

/** block_q4_K: 256 weights in 144 bytes, sub-blocks of 32
 *    0  d       f16      scale of the scales
 *    2  dmin    f16      scale of the mins
 *    4  scales  u8[12]   six-bit scale and min per sub-block, packed as affine-super-block.ts shows
 *   16  qs      u8[128]  byte 32g + l: low nibble weight 64g + l, high nibble weight 64g + 32 + l
 * value = d × scale × q − dmin × min
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c.
 */
export const Q4_K: BlockCodec = /* @__PURE__ */ blockCodec("Q4_K", {
  importance: "used",
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 144, to += 256) {
      const d = readHalf(bytes, at);
      const dmin = readHalf(bytes, at + 2);
      for (let g = 0; g < 4; g++) {
        const d0 = d * unpackScale(bytes, at + 4, 2 * g);
        const m0 = dmin * unpackMin(bytes, at + 4, 2 * g);
        const d1 = d * unpackScale(bytes, at + 4, 2 * g + 1);
        const m1 = dmin * unpackMin(bytes, at + 4, 2 * g + 1);
        const qs = at + 16 + 32 * g;
        const group = to + 64 * g;
        for (let l = 0; l < 32; l++) {
          const q = bytes[qs + l]!;
          out[group + l] = d0 * (q & 15) - m0;
          out[group + 32 + l] = d1 * (q >> 4) - m1;
        }
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, importance) {
    for (let from = start, at = outOffset; from < end; from += 256, at += 144) {
      const weights = importance?.subarray(from - start, from - start + 256);
      quantizeAffineSuperBlock(searches, values, from, weights, out, at);
      for (let g = 0; g < 4; g++) {
        const qs = at + 16 + 32 * g;
        for (let l = 64 * g; l < 64 * g + 32; l++) out[qs + (l & 31)] = codes[l]! | (codes[l + 32]! << 4);
      }
    }
  },
});
