import { type BlockCodec, UsageError } from "@requant/core";

/**
 * The dtypes of safetensors that no ggml type covers, as blocks of one weight. They only dequantize: integers and
 * 8-bit floats are sources, never targets.
 */

function numberCodec(
  name: string,
  byteWidth: number,
  get: (view: DataView, offset: number) => number,
): BlockCodec {
  return {
    name,
    blockSize: 1,
    blockByteLength: byteWidth,
    fields: byteWidth === 2 || byteWidth === 4 || byteWidth === 8 ? [[0, byteWidth, 1]] : [],
    dequantize(bytes, out) {
      if (bytes.byteLength !== out.length * byteWidth) {
        throw new UsageError(
          `${name}: ${out.length} weights take ${out.length * byteWidth} bytes, found ${bytes.byteLength}.`,
        );
      }
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let i = 0; i < out.length; i++) out[i] = get(view, i * byteWidth);
    },
  };
}

/**
 * 8-bit floats, all 256 values up front (OCP 8-bit Floating Point Specification 1.0). E5M2 has infinities and NaNs as
 * IEEE does; E4M3 ("fn") has only the NaN 0x7F and its negative, and reaches 448.
 */
function float8Table(exponentBits: number, hasInfinity: boolean): Float32Array {
  const mantissaBits = 7 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const top = 2 ** exponentBits - 1;
  return Float32Array.from({ length: 256 }, (_, code) => {
    const sign = code & 0x80 ? -1 : 1;
    const exponent = (code & 0x7f) >> mantissaBits;
    const mantissa = code & (2 ** mantissaBits - 1);
    if (hasInfinity && exponent === top) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    if (!hasInfinity && (code & 0x7f) === 0x7f) return Number.NaN;
    const significand = mantissa / 2 ** mantissaBits + (exponent === 0 ? 0 : 1);
    return sign * significand * 2 ** (Math.max(exponent, 1) - bias);
  });
}

function float8Codec(name: string, table: Float32Array): BlockCodec {
  return numberCodec(name, 1, (view, offset) => table[view.getUint8(offset)]!);
}

export const numberCodecs: readonly BlockCodec[] = [
  float8Codec("F8_E4M3", float8Table(4, false)),
  float8Codec("F8_E5M2", float8Table(5, true)),
  numberCodec("BOOL", 1, (view, offset) => view.getUint8(offset)),
  numberCodec("U8", 1, (view, offset) => view.getUint8(offset)),
  numberCodec("U16", 2, (view, offset) => view.getUint16(offset, true)),
  numberCodec("U32", 4, (view, offset) => view.getUint32(offset, true)),
  numberCodec("U64", 8, (view, offset) => Number(view.getBigUint64(offset, true))),
];
