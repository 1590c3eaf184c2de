import type { BlockCodec } from "@requant/core";
import { blockCodec } from "./block-codec.ts";
import { readHalf, writeHalf } from "./half-field.ts";
import { roundHalfAway } from "./rounding.ts";

const fround = Math.fround;

/** Part of a block: `width` bytes from `byte` on, each with `count` trits that are `width` weights apart, from `weight` on. */
interface TritPart {
  readonly width: number;
  readonly count: number;
  readonly byte: number;
  readonly weight: number;
}

const PARTS: readonly TritPart[] = [
  { width: 32, count: 5, byte: 0, weight: 0 },
  { width: 16, count: 5, byte: 32, weight: 160 },
  { width: 4, count: 4, byte: 48, weight: 240 },
];

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
      for (const part of PARTS) unpackTrits(part, bytes, at, d, out, to);
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
      for (const part of PARTS) packTrits(part, values, from, inverse, out, at);
      writeHalf(out, at + 52, d);
    }
  },
});

function unpackTrits(
  { width, count, byte, weight }: TritPart,
  bytes: Uint8Array,
  at: number,
  d: number,
  out: Float32Array,
  to: number,
): void {
  for (let n = 0, power = 1; n < count; n++, power *= 3) {
    for (let l = 0; l < width; l++) {
      const fraction = (bytes[at + byte + l]! * power) & 255;
      out[to + weight + n * width + l] = (((fraction * 3) >> 8) - 1) * d;
    }
  }
}

function packTrits(
  { width, count, byte, weight }: TritPart,
  values: Float32Array,
  from: number,
  inverse: number,
  out: Uint8Array,
  at: number,
): void {
  for (let l = 0; l < width; l++) {
    let packed = 0;
    for (let n = 0; n < 5; n++) {
      const trit =
        n < count ? roundHalfAway(fround(values[from + weight + n * width + l]! * inverse)) + 1 : 0;
      packed = (packed * 3 + trit) & 255;
    }
    out[at + byte + l] = Math.floor((packed * 256 + 242) / 243);
  }
}
