import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { nearestInt } from "./rounding.ts";
import {
  importanceWeights,
  meanSquare,
  searchScale,
  searchScaleByCode,
  subBlocksOf,
} from "./scale-search.ts";
import { packTwoBitPlanes } from "./two-bit-planes.ts";

const fround = Math.fround;
const codes: Uint8Array = /* @__PURE__ */ new Uint8Array(256);
const subBlocks: readonly Uint8Array[] = /* @__PURE__ */ subBlocksOf(codes, 16);
const weights: Float32Array = /* @__PURE__ */ new Float32Array(16);
const scales: Float32Array = /* @__PURE__ */ new Float32Array(16);
const weightSums: Float32Array = /* @__PURE__ */ new Float32Array(16);
const scaleCodes: Uint8Array = /* @__PURE__ */ new Uint8Array(16);

/** block_q3_K: 256 weights in 110 bytes, sub-blocks of 16
 *     0  hmask   u8[32]  bit k of byte l is bit 2 of weight l + 32k
 *    32  qs      u8[64]  byte 32h + l holds bits 0–1 of weights 128h + l + 32k in bits 2k, k = 0…3
 *    96  scales  u8[12]  six bits per sub-block j: bits 0–3 in bytes 0–7 (low nibbles j = 0…7, high nibbles 8…15),
 *                        bits 4–5 in byte 8 + j mod 4, bits 2⌊j/4⌋
 *   108  d       f16     scale of the scales
 * value = d × (scale − 32) × (q − 4)
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c.
 */
export const Q3_K: BlockCodec = /* @__PURE__ */ blockCodec("Q3_K", {
  importance: "used",
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 110, to += 256) {
      const d = readHalf(bytes, at + 108);
      for (let j = 0; j < 16; j++) {
        const dl = d * (unpackScale(bytes, at + 96, j) - 32);
        const shift = j & 6;
        const highBit = j >> 1;
        const low = at + 32 + 32 * (j >> 3) + 16 * (j & 1);
        const high = at + 16 * (j & 1);
        const subBlock = to + 16 * j;
        for (let l = 0; l < 16; l++) {
          const q = ((bytes[low + l]! >> shift) & 3) | (((bytes[high + l]! >> highBit) & 1) << 2);
          out[subBlock + l] = dl * (q - 4);
        }
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, importance) {
    for (let from = start, at = outOffset; from < end; from += 256, at += 110) {
      const dBlock =
        importance === undefined
          ? chooseScales(values, from)
          : chooseScalesByImportance(values, from, importance, from - start);
      writeHalf(out, at + 108, dBlock);
      packScales(out, at + 96);
      const d = readHalf(out, at + 108);
      for (let j = 0; j < 16; j++) {
        const dl = fround(d * (unpackScale(out, at + 96, j) - 32));
        // A scale of zero keeps the codes of the search, as ggml does.
        if (dl === 0) continue;
        for (let l = 16 * j; l < 16 * j + 16; l++) {
          const code = nearestInt(fround(values[from + l]! / dl));
          codes[l] = Math.max(-4, Math.min(3, code)) + 4;
        }
      }
      for (let l = 0; l < 32; l++) {
        let mask = 0;
        for (let k = 0; k < 8; k++) mask |= ((codes[l + 32 * k]! >> 2) & 1) << k;
        out[at + l] = mask;
      }
      packTwoBitPlanes(codes, out, at + 32);
    }
  },
});

function unpackScale(bytes: Uint8Array, at: number, j: number): number {
  const low = bytes[at + (j & 7)]! >> (j & 8 ? 4 : 0);
  const high = bytes[at + 8 + (j & 3)]! >> (2 * (j >> 2));
  return (low & 15) | ((high & 3) << 4);
}

function packScales(out: Uint8Array, at: number): void {
  for (let j = 0; j < 8; j++) out[at + j] = (scaleCodes[j]! & 15) | ((scaleCodes[j + 8]! & 15) << 4);
  for (let j = 0; j < 4; j++) {
    out[at + 8 + j] =
      (scaleCodes[j]! >> 4) |
      ((scaleCodes[j + 4]! >> 4) << 2) |
      ((scaleCodes[j + 8]! >> 4) << 4) |
      ((scaleCodes[j + 12]! >> 4) << 6);
  }
}

/** Fills `codes` and `scaleCodes` (six bits, plus 32), returns the scale of the scales. */
function chooseScales(values: Float32Array, from: number): number {
  let maxScale = 0;
  let absMax = 0;
  for (let j = 0; j < 16; j++) {
    const scale = searchScaleByCode(values, from + 16 * j, 4, subBlocks[j]!);
    scales[j] = scale;
    const magnitude = Math.abs(scale);
    if (magnitude > absMax) {
      absMax = magnitude;
      maxScale = scale;
    }
  }
  if (maxScale === 0) {
    scaleCodes.fill(0);
    return 0;
  }
  const inverse = fround(-32 / maxScale);
  for (let j = 0; j < 16; j++) {
    // ggml keeps the rounded value in an int8.
    const code = (nearestInt(fround(inverse * scales[j]!)) << 24) >> 24;
    scaleCodes[j] = Math.max(-32, Math.min(31, code)) + 32;
  }
  return fround(1 / inverse);
}

function chooseScalesByImportance(
  values: Float32Array,
  from: number,
  importance: Float32Array,
  column: number,
): number {
  const variance = meanSquare(values, from, from + 256, 2);
  for (let j = 0; j < 16; j++) {
    const start = from + 16 * j;
    importanceWeights(
      values,
      start,
      variance,
      importance.subarray(column + 16 * j, column + 16 * j + 16),
      weights,
    );
    let sum = 0;
    for (let l = 0; l < 16; l++) sum = fround(sum + weights[l]!);
    weightSums[j] = sum;
    scales[j] = searchScale(values, start, 4, weights, subBlocks[j]!);
  }
  return searchScale(scales, 0, 32, weightSums, scaleCodes);
}
