import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { nearestInt } from "./rounding.ts";
import {
  importanceSearch,
  importanceWeights,
  meanSquare,
  plainSearch,
  type ScaleAndMinSearch,
  searchPositiveScale,
  searchScaleAndMin,
  subBlocksOf,
} from "./scale-search.ts";
import { packTwoBitPlanes } from "./two-bit-planes.ts";

const fround = Math.fround;
const search: ScaleAndMinSearch = /* @__PURE__ */ plainSearch(3, -0.5, 15, true);
const searchByImportance: ScaleAndMinSearch = /* @__PURE__ */ importanceSearch(3);
const codes: Uint8Array = /* @__PURE__ */ new Uint8Array(256);
const subBlocks: readonly Uint8Array[] = /* @__PURE__ */ subBlocksOf(codes, 16);
const weights: Float32Array = /* @__PURE__ */ new Float32Array(16);
const scales: Float32Array = /* @__PURE__ */ new Float32Array(16);
const mins: Float32Array = /* @__PURE__ */ new Float32Array(16);
const weightSums: Float32Array = /* @__PURE__ */ new Float32Array(16);
const scaleCodes: Uint8Array = /* @__PURE__ */ new Uint8Array(16);
const minCodes: Uint8Array = /* @__PURE__ */ new Uint8Array(16);

/** block_q2_K: 256 weights in 84 bytes, sub-blocks of 16
 *    0  scales  u8[16]  per sub-block: low nibble scale, high nibble min
 *   16  qs      u8[64]  byte 32h + l holds weights 128h + l + 32k in bits 2k, k = 0…3
 *   80  d       f16     scale of the scales
 *   82  dmin    f16     scale of the mins
 * value = d × scale × q − dmin × min
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c.
 */
export const Q2_K: BlockCodec = /* @__PURE__ */ blockCodec("Q2_K", {
  importance: "used",
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 84, to += 256) {
      const d = readHalf(bytes, at + 80);
      const dmin = readHalf(bytes, at + 82);
      for (let j = 0; j < 16; j++) {
        const scale = bytes[at + j]!;
        const dl = d * (scale & 15);
        const ml = dmin * (scale >> 4);
        const shift = j & 6;
        const from = at + 16 + 32 * (j >> 3) + 16 * (j & 1);
        const subBlock = to + 16 * j;
        for (let l = 0; l < 16; l++) out[subBlock + l] = dl * ((bytes[from + l]! >> shift) & 3) - ml;
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, importance) {
    for (let from = start, at = outOffset; from < end; from += 256, at += 84) {
      if (importance === undefined) chooseScales(values, from, out, at);
      else chooseScalesByImportance(values, from, importance, from - start, out, at);
      const d = readHalf(out, at + 80);
      const dmin = readHalf(out, at + 82);
      for (let j = 0; j < 16; j++) {
        const scale = out[at + j]!;
        const dl = fround(d * (scale & 15));
        // A scale of zero keeps the codes of the search, as ggml does.
        if (dl === 0) continue;
        const ml = fround(dmin * (scale >> 4));
        for (let l = 16 * j; l < 16 * j + 16; l++) {
          const code = nearestInt(fround(fround(values[from + l]! + ml) / dl));
          codes[l] = Math.max(0, Math.min(3, code));
        }
      }
      packTwoBitPlanes(codes, out, at + 16);
    }
  },
});

function chooseScales(values: Float32Array, from: number, out: Uint8Array, at: number): void {
  let maxScale = 0;
  let maxMin = 0;
  for (let j = 0; j < 16; j++) {
    const start = from + 16 * j;
    for (let l = 0; l < 16; l++) weights[l] = Math.abs(values[start + l]!);
    const { scale, min } = searchScaleAndMin(search, values, start, weights, subBlocks[j]!);
    scales[j] = scale;
    mins[j] = min;
    if (scale > maxScale) maxScale = scale;
    if (mins[j]! > maxMin) maxMin = mins[j]!;
  }
  const inverseScale = maxScale > 0 ? fround(15 / maxScale) : 0;
  const inverseMin = maxMin > 0 ? fround(15 / maxMin) : 0;
  for (let j = 0; j < 16; j++) {
    const scaleCode = maxScale > 0 ? nearestInt(fround(inverseScale * scales[j]!)) : 0;
    const minCode = maxMin > 0 ? nearestInt(fround(inverseMin * mins[j]!)) : 0;
    out[at + j] = scaleCode | (minCode << 4);
  }
  writeHalf(out, at + 80, maxScale > 0 ? fround(maxScale / 15) : 0);
  writeHalf(out, at + 82, maxMin > 0 ? fround(maxMin / 15) : 0);
}

function chooseScalesByImportance(
  values: Float32Array,
  from: number,
  importance: Float32Array,
  column: number,
  out: Uint8Array,
  at: number,
): void {
  const variance = meanSquare(values, from, from + 256, 1);
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
    const found = searchScaleAndMin(searchByImportance, values, start, weights, subBlocks[j]!);
    scales[j] = found.scale;
    mins[j] = found.min;
  }
  writeHalf(out, at + 80, searchPositiveScale(scales, 16, 15, weightSums, scaleCodes));
  writeHalf(out, at + 82, searchPositiveScale(mins, 16, 15, weightSums, minCodes));
  for (let j = 0; j < 16; j++) out[at + j] = scaleCodes[j]! | (minCodes[j]! << 4);
}
