import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { NONLINEAR_VALUES, nonlinearCode, nonlinearScale } from "./iq/nonlinear.ts";
import { squareWeights } from "./iq/weights.ts";
import { nearestInt } from "./rounding.ts";
import { importanceWeights, meanSquare } from "./scale-search.ts";

const fround = Math.fround;
const weights: Float32Array = /* @__PURE__ */ new Float32Array(32);
const scales: Float32Array = /* @__PURE__ */ new Float32Array(8);

/** block_iq4_xs: 256 weights in 136 bytes
 *   0  d         f16      scale of the super-block
 *   2  scales_h  u16      bits 4–5 of the scales s of the sub-blocks of 32, 2 bits each
 *   4  scales_l  u8[4]    bits 0–3: low nibble even sub-blocks, high nibble odd ones
 *   8  qs        u8[128]  codes, 16 bytes per sub-block: low nibbles are weights 0–15, high nibbles 16–31
 * value = d × (s − 32) × table(q), table −127 −104 −83 −65 −49 −35 −22 −10 1 13 25 38 53 69 89 113
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c (quantize_row_iq4_nl_impl).
 */
export const IQ4_XS: BlockCodec = /* @__PURE__ */ blockCodec("IQ4_XS", {
  importance: "used",
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 136) {
      const d = readHalf(bytes, at);
      const high = bytes[at + 2]! | (bytes[at + 3]! << 8);
      for (let sub = 0; sub < 8; sub++, to += 32) {
        const low = (bytes[at + 4 + (sub >> 1)]! >> (4 * (sub & 1))) & 15;
        const scale = d * ((low | (((high >> (2 * sub)) & 3) << 4)) - 32);
        for (let j = 0; j < 16; j++) {
          const q = bytes[at + 8 + 16 * sub + j]!;
          out[to + j] = scale * NONLINEAR_VALUES[q & 15]!;
          out[to + 16 + j] = scale * NONLINEAR_VALUES[q >> 4]!;
        }
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, importance) {
    for (let from = start, at = outOffset; from < end; from += 256, at += 136) {
      out.fill(0, at, at + 136);
      const variance = importance === undefined ? 0 : meanSquare(values, from, from + 256, 2);
      let absMaxScale = 0;
      let maxScale = 0;
      for (let sub = 0; sub < 8; sub++) {
        const first = from + 32 * sub;
        if (importance === undefined) squareWeights(values, first, 32, weights);
        else
          importanceWeights(
            values,
            first,
            variance,
            importance.subarray(first - start, first - start + 32),
            weights,
          );
        const scale = nonlinearScale(values, first, weights);
        scales[sub] = scale;
        if (Math.abs(scale) > absMaxScale) {
          absMaxScale = Math.abs(scale);
          maxScale = scale;
        }
      }
      const d = fround(-maxScale / 32);
      writeHalf(out, at, d);
      const inverse = d !== 0 ? fround(1 / d) : 0;
      for (let sub = 0; sub < 8; sub++) {
        let code = nearestInt(fround(inverse * scales[sub]!));
        if (code < -32) code = -32;
        else if (code > 31) code = 31;
        const scale = fround(d * code);
        const inverseScale = scale !== 0 ? fround(1 / scale) : 0;
        const first = from + 32 * sub;
        for (let j = 0; j < 16; j++) {
          const low = nonlinearCode(fround(inverseScale * values[first + j]!));
          const high = nonlinearCode(fround(inverseScale * values[first + 16 + j]!));
          out[at + 8 + 16 * sub + j] = low | (high << 4);
        }
        code += 32;
        out[at + 4 + (sub >> 1)]! |= (code & 15) << (4 * (sub & 1));
        out[at + 2 + (sub >> 2)]! |= (code >> 4) << (2 * (sub & 3));
      }
    }
  },
});
