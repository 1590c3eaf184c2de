import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { NONLINEAR_VALUES, nonlinearCode, nonlinearScale } from "./iq/nonlinear.ts";
import { squareWeights } from "./iq/weights.ts";
import { importanceWeights, meanSquare } from "./scale-search.ts";

const fround = Math.fround;
const weights: Float32Array = /* @__PURE__ */ new Float32Array(32);

/** block_iq4_nl: 32 weights in 18 bytes
 *   0  d   f16     scale
 *   2  qs  u8[16]  codes: low nibbles are weights 0–15, high nibbles 16–31
 * value = d × table(q), table −127 −104 −83 −65 −49 −35 −22 −10 1 13 25 38 53 69 89 113
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c (quantize_row_iq4_nl_impl).
 */
export const IQ4_NL: BlockCodec = /* @__PURE__ */ blockCodec("IQ4_NL", {
  importance: "used",
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 18, to += 32) {
      const d = readHalf(bytes, at);
      for (let j = 0; j < 16; j++) {
        const q = bytes[at + 2 + j]!;
        out[to + j] = d * NONLINEAR_VALUES[q & 15]!;
        out[to + 16 + j] = d * NONLINEAR_VALUES[q >> 4]!;
      }
    }
  },
  quantizeRow(values, start, end, out, outOffset, importance) {
    for (let from = start, at = outOffset; from < end; from += 32, at += 18) {
      if (importance === undefined) squareWeights(values, from, 32, weights);
      else {
        const variance = meanSquare(values, from, from + 32, 2);
        importanceWeights(
          values,
          from,
          variance,
          importance.subarray(from - start, from - start + 32),
          weights,
        );
      }
      const scale = nonlinearScale(values, from, weights);
      writeHalf(out, at, scale);
      const inverse = scale !== 0 ? fround(1 / scale) : 0;
      for (let j = 0; j < 16; j++) {
        const low = nonlinearCode(fround(inverse * values[from + j]!));
        const high = nonlinearCode(fround(inverse * values[from + 16 + j]!));
        out[at + 2 + j] = low | (high << 4);
      }
    }
  },
});
