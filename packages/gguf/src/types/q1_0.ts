import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { readHalf, writeHalf } from "./half-field.ts";

const fround = Math.fround;
const signed: Float32Array = /* @__PURE__ */ new Float32Array(2);

/** block_q1_0: 128 weights in 18 bytes
 *   0  d   f16     scale: the mean magnitude
 *   2  qs  u8[16]  bit b of byte j is weight 8j + b
 * value = q ? d : −d
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c.
 */
export const Q1_0: BlockCodec = /* @__PURE__ */ blockCodec("Q1_0", {
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 18, to += 128) {
      const d = readHalf(bytes, at);
      signed[0] = -d;
      signed[1] = d;
      for (let j = 0; j < 128; j++) out[to + j] = signed[(bytes[at + 2 + (j >> 3)]! >> (j & 7)) & 1]!;
    }
  },
  quantizeRow(values, start, end, out, outOffset) {
    for (let from = start, at = outOffset; from < end; from += 128, at += 18) {
      let sum = 0;
      for (let j = 0; j < 128; j++) sum = fround(sum + Math.abs(values[from + j]!));
      writeHalf(out, at, fround(sum / 128));
      for (let j = 0; j < 16; j++) {
        let signs = 0;
        for (let b = 0; b < 8; b++) if (values[from + 8 * j + b]! >= 0) signs |= 1 << b;
        out[at + 2 + j] = signs;
      }
    }
  },
});
