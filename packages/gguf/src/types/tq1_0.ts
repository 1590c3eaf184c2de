import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { roundHalfAway } from "./rounding.ts";

const fround = Math.fround;

/** block_tq1_0: 256 ternary weights in 54 bytes
 *    0  qs  u8[48]  bytes 0–31: byte l holds weights l + 32n, bytes 32–47: byte 32 + l holds weights 160 + l + 16n,
 *                   n = 0…4
 *   48  qh  u8[4]   byte l holds weights 240 + l + 4n, n = 0…3, and a zero
 *   52  d   f16     scale
 * A byte holds five trits q₀…q₄ as the fraction 0.q₀q₁q₂q₃q₄ (base 3), times 256, rounded up:
 * multiply by 3ⁿ in eight bits, then by 3, and the carry is qₙ.
 * value = (q − 1) × d
 * Source: ggml, src/ggml-common.h, src/ggml-quants.c.
 */
export const TQ1_0: BlockCodec = /* @__PURE__ */ blockCodec("TQ1_0", {
  dequantizeBlocks(bytes, blockCount, out) {
    for (let block = 0, at = 0, to = 0; block < blockCount; block++, at += 54, to += 256) {
      const d = readHalf(bytes, at + 52);
      unpackTrits(bytes, at, 32, 5, d, out, to);
      unpackTrits(bytes, at + 32, 16, 5, d, out, to + 160);
      unpackTrits(bytes, at + 48, 4, 4, d, out, to + 240);
    }
  },
  quantizeRow(values, start, end, out, outOffset) {
    for (let from = start, at = outOffset; from < end; from += 256, at += 54) {
      let d = 0;
      for (let j = 0; j < 256; j++) {
        const magnitude = Math.abs(values[from + j]!);
        if (magnitude > d) d = magnitude;
      }
      const inverse = d !== 0 ? fround(1 / d) : 0;
      packTrits(values, from, inverse, 32, 5, out, at);
      packTrits(values, from + 160, inverse, 16, 5, out, at + 32);
      packTrits(values, from + 240, inverse, 4, 4, out, at + 48);
      writeHalf(out, at + 52, d);
    }
  },
});

/** `width` bytes, each with `count` trits that are `width` weights apart. */
function unpackTrits(
  bytes: Uint8Array,
  at: number,
  width: number,
  count: number,
  d: number,
  out: Float32Array,
  to: number,
): void {
  for (let n = 0, power = 1; n < count; n++, power *= 3) {
    for (let l = 0; l < width; l++) {
      const fraction = (bytes[at + l]! * power) & 255;
      out[to + n * width + l] = (((fraction * 3) >> 8) - 1) * d;
    }
  }
}

function packTrits(
  values: Float32Array,
  from: number,
  inverse: number,
  width: number,
  count: number,
  out: Uint8Array,
  at: number,
): void {
  for (let l = 0; l < width; l++) {
    let packed = 0;
    for (let n = 0; n < 5; n++) {
      const trit = n < count ? roundHalfAway(fround(values[from + n * width + l]! * inverse)) + 1 : 0;
      packed = (packed * 3 + trit) & 255;
    }
    out[at + l] = Math.floor((packed * 256 + 242) / 243);
  }
}
