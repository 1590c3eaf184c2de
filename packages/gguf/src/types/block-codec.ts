import type { BlockCodec } from "@requant/core";
import { checkBlockLengths, checkRowLengths } from "@requant/core/format";
import { tensorTypes } from "../constants.ts";

/** The arithmetic of a type, which its file adds to its row in `tensorTypes`. Lengths are checked in `blockCodec`. */
export interface BlockArithmetic {
  /** See `BlockCodec`. */
  readonly importance?: "used" | "required";
  /** `blockCount` whole blocks from the start of `bytes` to the start of `out`. */
  dequantizeBlocks(bytes: Uint8Array, blockCount: number, out: Float32Array): void;
  /**
   * `values[start, end)`, one row, to blocks from `out[outOffset]` on. `importance`: one weight per column.
   * Types that only dequantize leave it out.
   */
  quantizeRow?(
    values: Float32Array,
    start: number,
    end: number,
    out: Uint8Array,
    outOffset: number,
    importance: Float32Array | undefined,
  ): void;
}

/**
 * The codec of the ggml type `name`: block size, byte length and fields from `tensorTypes`, arithmetic from the caller.
 * Both directions of the codec throw `UsageError` when the lengths do not fit together.
 */
export function blockCodec(name: string, arithmetic: BlockArithmetic): BlockCodec {
  const row = tensorTypes.find((type) => type.name === name);
  if (row === undefined) throw new Error(`${name} has no row in tensorTypes.`);
  const { blockSize, blockByteLength, fields } = row;
  const { importance, dequantizeBlocks, quantizeRow } = arithmetic;
  const codec: BlockCodec = {
    name,
    blockSize,
    blockByteLength,
    fields,
    ...(importance === undefined ? {} : { importance }),
    dequantize(bytes, out) {
      dequantizeBlocks(bytes, checkBlockLengths(row, bytes.length, out.length), out);
    },
  };
  if (quantizeRow === undefined) return codec;
  return {
    ...codec,
    quantize(values, rowLength, out, weights) {
      checkRowLengths(row, values.length, rowLength, out.length, weights);
      const rowByteLength = (rowLength / blockSize) * blockByteLength;
      for (
        let start = 0, outOffset = 0;
        start < values.length;
        start += rowLength, outOffset += rowByteLength
      ) {
        quantizeRow(values, start, start + rowLength, out, outOffset, weights);
      }
    },
  };
}
