import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { nearestInt } from "./rounding.ts";

const fround = Math.fround;

/** block_q8_K: 256 weights in 292 bytes; ggml uses it for activations and never stores it in a file
 *     0  d      f32      scale
 *     4  qs     i8[256]  codes
 *   260  bsums  i16[16]  sums of the codes in groups of 16, for dot products; no part of the value
 * value = q × d
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c.
 */
export const Q8_K: BlockCodec = /* @__PURE__ */ blockCodec("Q8_K", {
  dequantizeBlocks(bytes, blockCount, out) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 292, to += 256) {
      const d = view.getFloat32(at, true);
      for (let j = 0; j < 256; j++) out[to + j] = view.getInt8(at + 4 + j) * d;
    }
  },
  quantizeRow(values, start, end, out, outOffset) {
    const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
    for (let from = start, at = outOffset; from < end; from += 256, at += 292) {
      let max = 0;
      let absMax = 0;
      for (let j = 0; j < 256; j++) {
        const value = values[from + j]!;
        const magnitude = Math.abs(value);
        if (magnitude > absMax) {
          absMax = magnitude;
          max = value;
        }
      }
      if (absMax === 0) {
        out.fill(0, at, at + 292);
        continue;
      }
      const inverse = fround(-127 / max);
      for (let group = 0; group < 16; group++) {
        let sum = 0;
        for (let j = 16 * group; j < 16 * group + 16; j++) {
          const code = (Math.min(127, nearestInt(fround(inverse * values[from + j]!))) << 24) >> 24;
          out[at + 4 + j] = code;
          sum += code;
        }
        view.setInt16(at + 260 + 2 * group, sum, true);
      }
      view.setFloat32(at, fround(1 / inverse), true);
    }
  },
});
