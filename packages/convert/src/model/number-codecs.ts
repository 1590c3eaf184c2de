import { type BlockCodec, UsageError } from "@requant/core";
import { E4M3_VALUES, E5M2_VALUES } from "@requant/core/numeric";

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

function float8Codec(name: string, table: Float32Array): BlockCodec {
  return numberCodec(name, 1, (view, offset) => table[view.getUint8(offset)]!);
}

export const numberCodecs: readonly BlockCodec[] = [
  float8Codec("F8_E4M3", E4M3_VALUES),
  float8Codec("F8_E5M2", E5M2_VALUES),
  numberCodec("BOOL", 1, (view, offset) => view.getUint8(offset)),
  numberCodec("U8", 1, (view, offset) => view.getUint8(offset)),
  numberCodec("U16", 2, (view, offset) => view.getUint16(offset, true)),
  numberCodec("U32", 4, (view, offset) => view.getUint32(offset, true)),
  numberCodec("U64", 8, (view, offset) => Number(view.getBigUint64(offset, true))),
];
