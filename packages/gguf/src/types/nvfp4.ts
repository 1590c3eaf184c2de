import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { E2M1_DOUBLED, nearestE2m1 } from "./e2m1.ts";

const fround = Math.fround;
const float: Float32Array = /* @__PURE__ */ new Float32Array(1);
const floatBits: Uint32Array = /* @__PURE__ */ new Uint32Array(float.buffer);

/** block_nvfp4: 64 weights in 36 bytes, sub-blocks of 16
 *   0  d   u8[4]   scale per sub-block, E4M3 (bias 7) without its sign
 *   4  qs  u8[32]  E2M1 codes: byte 8s + l: low nibble weight 16s + l, high nibble weight 16s + 8 + l
 * value = E2M1(q) × E4M3(d), where d = 0x00 and 0x7F give 0
 * Source: ggml, src/ggml-common.h, src/ggml-impl.h, src/ggml-quants.c.
 */
export const NVFP4: BlockCodec = /* @__PURE__ */ blockCodec("NVFP4", {
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 36, to += 64) {
      for (let s = 0; s < 4; s++) {
        const d = halfScaleOfE4m3(bytes[at + s]!);
        const qs = at + 4 + 8 * s;
        const subBlock = to + 16 * s;
        for (let l = 0; l < 8; l++) {
          const q = bytes[qs + l]!;
          out[subBlock + l] = E2M1_DOUBLED[q & 15]! * d;
          out[subBlock + 8 + l] = E2M1_DOUBLED[q >> 4]! * d;
        }
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset) {
    for (let from = start, at = outOffset; from < end; from += 64, at += 36) {
      for (let s = 0; s < 4; s++) {
        const first = from + 16 * s;
        let absMax = 0;
        for (let j = 0; j < 16; j++) {
          const magnitude = Math.abs(values[first + j]!);
          if (absMax < magnitude) absMax = magnitude;
        }
        // 6 is the largest E2M1 value.
        const scale = encodeScale(fround(absMax / 6));
        const d = halfScaleOfE4m3(scale);
        out[at + s] = scale;
        for (let l = 0; l < 8; l++) {
          out[at + 4 + 8 * s + l] =
            nearestE2m1(values[first + l]!, d) | (nearestE2m1(values[first + 8 + l]!, d) << 4);
        }
      }
    }
  },
});

/** Half the scale, since the code table is doubled. Bit 7 is ignored, except that only a plain 0x7F means 0. */
export function halfScaleOfE4m3(code: number): number {
  if (code === 0x7f) return 0;
  const exponent = (code >> 3) & 15;
  const mantissa = code & 7;
  return exponent === 0 ? mantissa * 2 ** -10 : (8 + mantissa) * 2 ** (exponent - 11);
}

/** The nearest E4M3 code, ties away from zero; values from 256 on become 448 (0x7E), as in ggml. */
function encodeScale(value: number): number {
  if (!(value > 0)) return 0;
  float[0] = Math.min(value, 448);
  const bits = floatBits[0]!;
  const exponent = (bits >>> 23) - 127 + 7;
  if (exponent <= 0) return Math.min(7, Math.trunc(fround(fround(value * 512) + 0.5)));
  if (exponent >= 15) return 0x7e;
  // The bit below the mantissa rounds; a carry runs into the exponent by itself.
  const code = (exponent << 3) + ((bits >>> 20) & 7) + ((bits >>> 19) & 1);
  return code < 0x78 ? code : 0x7e;
}
