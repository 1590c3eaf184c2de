import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { E2M1_DOUBLED, nearestE2m1 } from "./e2m1.ts";

const fround = Math.fround;
const float: Float32Array = /* @__PURE__ */ new Float32Array(1);
const floatBits: Uint32Array = /* @__PURE__ */ new Uint32Array(float.buffer);

/** block_mxfp4: 32 weights in 17 bytes
 *   0  e   u8      exponent of the scale (E8M0: 2^(e − 127)); 255 (NaN) is decoded as 2^128 here, as ggml does
 *   1  qs  u8[16]  E2M1 codes: low nibbles are weights 0–15, high nibbles 16–31
 * value = E2M1(q) × 2^(e − 127)
 * Source: ggml, src/ggml-common.h, src/ggml-impl.h, src/ggml-quants.c.
 */
export const MXFP4: BlockCodec = /* @__PURE__ */ blockCodec("MXFP4", {
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 17, to += 32) {
      const d = halfScaleOfE8m0(bytes[at]!);
      for (let j = 0; j < 16; j++) {
        const q = bytes[at + 1 + j]!;
        out[to + j] = E2M1_DOUBLED[q & 15]! * d;
        out[to + 16 + j] = E2M1_DOUBLED[q >> 4]! * d;
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset) {
    for (let from = start, at = outOffset; from < end; from += 32, at += 17) {
      let absMax = 0;
      for (let j = 0; j < 32; j++) {
        const magnitude = Math.abs(values[from + j]!);
        if (absMax < magnitude) absMax = magnitude;
      }
      // ggml takes the floor of an f32 logarithm: just below a power of two it rounds up, so the exponent bits won't do.
      const e = absMax > 0 ? (Math.floor(fround(Math.log2(absMax))) - 2 + 127) & 255 : 0;
      const d = halfScaleOfE8m0(e);
      out[at] = e;
      for (let j = 0; j < 16; j++) {
        out[at + 1 + j] = nearestE2m1(values[from + j]!, d) | (nearestE2m1(values[from + 16 + j]!, d) << 4);
      }
    }
  },
});

/** 2^(e − 128): half the scale, since the code table is doubled. The two lowest are subnormal f32. */
export function halfScaleOfE8m0(e: number): number {
  floatBits[0] = e < 2 ? 0x200000 << e : (e - 1) << 23;
  return float[0]!;
}
