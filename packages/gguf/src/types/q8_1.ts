import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { roundHalfAway } from "./rounding.ts";

const fround = Math.fround;

/** block_q8_1: 32 weights in 36 bytes; ggml uses it for activations and never stores it in a file
 *   0  d   f16     scale
 *   2  s   f16     d × the sum of the codes, for dot products; no part of the value
 *   4  qs  i8[32]  codes
 * value = q × d (ggml has no dequantizer of its own for it)
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c.
 */
export const Q8_1: BlockCodec = /* @__PURE__ */ blockCodec("Q8_1", {
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 36, to += 32) {
      const d = readHalf(bytes, at);
      for (let j = 0; j < 32; j++) out[to + j] = ((bytes[at + 4 + j]! << 24) >> 24) * d;
    }
  },
  quantizeRow(values, start, end, out, outOffset) {
    for (let from = start, at = outOffset; from < end; from += 32, at += 36) {
      let absMax = 0;
      for (let j = 0; j < 32; j++) {
        const magnitude = Math.abs(values[from + j]!);
        if (magnitude > absMax) absMax = magnitude;
      }
      const d = fround(absMax / 127);
      const inverse = d !== 0 ? fround(1 / d) : 0;
      let sum = 0;
      for (let j = 0; j < 32; j++) {
        const code = (roundHalfAway(fround(values[from + j]! * inverse)) << 24) >> 24;
        out[at + 4 + j] = code;
        sum += code;
      }
      writeHalf(out, at, d);
      writeHalf(out, at + 2, fround(sum * d));
    }
  },
});
