import { type BlockCodec, roundHalfEven } from "@requant/core";
import { blockCodec } from "./block-codec.ts";

interface IntegerType {
  readonly byteLength: 1 | 2 | 4 | 8;
  readonly get: (view: DataView, byteOffset: number) => number;
  /** Stores an integer inside the type's range. */
  readonly set: (view: DataView, byteOffset: number, value: number) => void;
}

/**
 * A plain integer as a block of one. ggml does not convert floats to such types; this codec rounds to nearest, ties to
 * even, saturates at the ends of the range and stores NaN as 0, so that exactly dequantized values give the same integers
 * again.
 */
export function integerCodec(name: string, { byteLength, get, set }: IntegerType): BlockCodec {
  const least = -(2 ** (8 * byteLength - 1));
  const greatest = -least - 1;
  return blockCodec(name, {
    dequantizeBlocks(bytes, blockCount, out) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let i = 0; i < blockCount; i++) out[i] = get(view, i * byteLength);
    },
    quantizeRow(values, start, end, out, outOffset) {
      const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
      for (let i = start, at = outOffset; i < end; i++, at += byteLength) {
        const value = values[i]!;
        const nearest = Number.isNaN(value) ? 0 : roundHalfEven(value);
        set(view, at, Math.min(greatest, Math.max(least, nearest)));
      }
    },
  });
}
