import { bitsOf, halfwordsOf } from "../bits/host.ts";
import type { BlockCodec } from "../format/block-codec.ts";
import { checkBlockLengths, checkRowLengths } from "../format/check-lengths.ts";
import { floatBitsToBfloat } from "./bfloat.ts";

/** bfloat16, little-endian: the upper half of an f32. */
export const BF16: BlockCodec = {
  name: "BF16",
  blockSize: 1,
  blockByteLength: 2,
  fields: [[0, 2, 1]],
  dequantize(bytes: Uint8Array, out: Float32Array): void {
    const count = checkBlockLengths(BF16, bytes.byteLength, out.length);
    const bits = bitsOf(out);
    const halves = halfwordsOf(bytes);
    if (halves !== undefined) {
      for (let i = 0; i < count; i++) bits[i] = halves[i]! << 16;
    } else {
      for (let i = 0; i < count; i++) bits[i] = (bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24);
    }
  },
  quantize(values: Float32Array, rowLength: number, out: Uint8Array): void {
    const count = checkRowLengths(BF16, values.length, rowLength, out.byteLength);
    const bits = bitsOf(values);
    const halves = halfwordsOf(out);
    if (halves !== undefined) {
      for (let i = 0; i < count; i++) halves[i] = floatBitsToBfloat(bits[i]!);
    } else {
      for (let i = 0; i < count; i++) {
        const bfloat = floatBitsToBfloat(bits[i]!);
        out[2 * i] = bfloat & 0xff;
        out[2 * i + 1] = bfloat >>> 8;
      }
    }
  },
};
