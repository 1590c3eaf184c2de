import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { nearestInt } from "./rounding.ts";
import { GROUP_EPSILON, searchScale, subBlocksOf } from "./scale-search.ts";

const fround = Math.fround;
const codes: Uint8Array = /* @__PURE__ */ new Uint8Array(256);
const subBlocks: readonly Uint8Array[] = /* @__PURE__ */ subBlocksOf(codes, 16);
const scales: Float32Array = /* @__PURE__ */ new Float32Array(16);

/** block_q6_K: 256 weights in 210 bytes, sub-blocks of 16
 *     0  ql      u8[128]  byte 64h + l (l < 64): low nibble is bits 0–3 of weight 128h + l, high nibble of 128h + 64 + l
 *   128  qh      u8[64]   byte 32h + l holds bits 4–5 of weights 128h + l + 32k in bits 2k, k = 0…3
 *   192  scales  i8[16]   one per sub-block
 *   208  d       f16      scale of the scales
 * value = d × scale × (q − 32)
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c.
 */
export const Q6_K: BlockCodec = /* @__PURE__ */ blockCodec("Q6_K", {
  importance: "used",
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 210, to += 256) {
      const d = readHalf(bytes, at + 208);
      for (let j = 0; j < 16; j++) {
        const dl = d * ((bytes[at + 192 + j]! << 24) >> 24);
        const lowShift = j & 4;
        const highShift = j & 6;
        const low = at + 64 * (j >> 3) + 16 * (j & 3);
        const high = at + 128 + 32 * (j >> 3) + 16 * (j & 1);
        const subBlock = to + 16 * j;
        for (let l = 0; l < 16; l++) {
          const q = ((bytes[low + l]! >> lowShift) & 15) | (((bytes[high + l]! >> highShift) & 3) << 4);
          out[subBlock + l] = dl * (q - 32);
        }
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, importance) {
    for (let from = start, at = outOffset; from < end; from += 256, at += 210) {
      quantizeBlock(values, from, importance, from - start, out, at);
    }
  },
});

function quantizeBlock(
  values: Float32Array,
  from: number,
  importance: Float32Array | undefined,
  column: number,
  out: Uint8Array,
  at: number,
): void {
  let maxScale = 0;
  let absMax = 0;
  for (let j = 0; j < 16; j++) {
    const weights = importance?.subarray(column + 16 * j, column + 16 * j + 16);
    const scale = searchScale(values, from + 16 * j, 32, weights, subBlocks[j]!);
    scales[j] = scale;
    const magnitude = Math.abs(scale);
    if (magnitude > absMax) {
      absMax = magnitude;
      maxScale = scale;
    }
  }
  if (absMax < GROUP_EPSILON) {
    out.fill(0, at, at + 210);
    return;
  }
  const inverse = fround(-128 / maxScale);
  writeHalf(out, at + 208, fround(1 / inverse));
  const d = readHalf(out, at + 208);
  for (let j = 0; j < 16; j++) {
    const scaleCode = Math.min(127, nearestInt(fround(inverse * scales[j]!)));
    out[at + 192 + j] = scaleCode;
    const dl = fround(d * ((scaleCode << 24) >> 24));
    // A scale of zero keeps the codes of the search, as ggml does.
    if (dl === 0) continue;
    for (let l = 16 * j; l < 16 * j + 16; l++) {
      const code = nearestInt(fround(values[from + l]! / dl));
      codes[l] = Math.max(-32, Math.min(31, code)) + 32;
    }
  }
  for (let half = 0; half < 2; half++) {
    const first = 128 * half;
    const ql = at + 64 * half;
    const qh = at + 128 + 32 * half;
    for (let l = 0; l < 64; l++) {
      out[ql + l] = (codes[first + l]! & 15) | ((codes[first + l + 64]! & 15) << 4);
    }
    for (let l = 0; l < 32; l++) {
      out[qh + l] =
        (codes[first + l]! >> 4) |
        ((codes[first + l + 32]! >> 4) << 2) |
        ((codes[first + l + 64]! >> 4) << 4) |
        ((codes[first + l + 96]! >> 4) << 6);
    }
  }
}
