import { bitsOf, halfwordsOf } from "../bits/host.ts";
import type { BlockCodec } from "../format/block-codec.ts";
import { checkBlockLengths, checkRowLengths } from "../format/check-lengths.ts";
import { floatBitsToHalf, halfTable } from "./half.ts";

/** IEEE binary16, little-endian. */
export const F16: BlockCodec = {
  name: "F16",
  blockSize: 1,
  blockByteLength: 2,
  fields: [[0, 2, 1]],
  dequantize(bytes: Uint8Array, out: Float32Array): void {
    const count = checkBlockLengths(F16, bytes.byteLength, out.length);
    const table = halfTable();
    const bits = bitsOf(out);
    const halves = halfwordsOf(bytes);
    if (halves !== undefined) {
      for (let i = 0; i < count; i++) bits[i] = table[halves[i]!]!;
    } else {
      for (let i = 0; i < count; i++) bits[i] = table[bytes[2 * i]! | (bytes[2 * i + 1]! << 8)]!;
    }
  },
  quantize(values: Float32Array, rowLength: number, out: Uint8Array): void {
    const count = checkRowLengths(F16, values.length, rowLength, out.byteLength);
    const bits = bitsOf(values);
    const halves = halfwordsOf(out);
    if (halves !== undefined) {
      for (let i = 0; i < count; i++) halves[i] = floatBitsToHalf(bits[i]!);
    } else {
      for (let i = 0; i < count; i++) {
        const half = floatBitsToHalf(bits[i]!);
        out[2 * i] = half & 0xff;
        out[2 * i + 1] = half >>> 8;
      }
    }
  },
};
