import { hostIsLittleEndian } from "../bits/host.ts";
import type { BlockCodec } from "../format/block-codec.ts";
import { checkBlockLengths, checkRowLengths } from "../format/check-lengths.ts";

/** IEEE binary32, little-endian: the bytes of a Float32Array. Copied as bytes, so NaN payloads survive. */
export const F32: BlockCodec = {
  name: "F32",
  blockSize: 1,
  blockByteLength: 4,
  fields: [[0, 4, 1]],
  dequantize(bytes: Uint8Array, out: Float32Array): void {
    checkBlockLengths(F32, bytes.byteLength, out.length);
    const target = new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
    target.set(bytes);
    if (!hostIsLittleEndian) swap4(target);
  },
  quantize(values: Float32Array, rowLength: number, out: Uint8Array): void {
    checkRowLengths(F32, values.length, rowLength, out.byteLength);
    out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    if (!hostIsLittleEndian) swap4(out);
  },
};

function swap4(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i += 4) bytes.subarray(i, i + 4).reverse();
}
