import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { roundHalfAway } from "./rounding.ts";

const fround = Math.fround;

/** block_q8_0: 32 weights in 34 bytes
 *   0  d   f16     scale
 *   2  qs  i8[32]  codes
 * value = q × d
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c.
 */
export const Q8_0: BlockCodec = /* @__PURE__ */ blockCodec("Q8_0", {
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 34, to += 32) {
      const d = readHalf(bytes, at);
      for (let j = 0; j < 32; j++) out[to + j] = ((bytes[at + 2 + j]! << 24) >> 24) * d;
    }
  },
  quantizeRow(values, start, end, out, outOffset) {
    for (let from = start, at = outOffset; from < end; from += 32, at += 34) {
      let absMax = 0;
      for (let j = 0; j < 32; j++) {
        const magnitude = Math.abs(values[from + j]!);
        if (magnitude > absMax) absMax = magnitude;
      }
      const d = fround(absMax / 127);
      const inverse = d !== 0 ? fround(1 / d) : 0;
      writeHalf(out, at, d);
      for (let j = 0; j < 32; j++) out[at + 2 + j] = roundHalfAway(fround(values[from + j]! * inverse));
    }
  },
});
