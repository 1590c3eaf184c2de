/**
 * A codec of fixed-size blocks: every ggml type; F32, F16 and BF16 are blocks of one weight.
 * Pure, synchronous, and writing only into arrays that the caller owns.
 */
export interface BlockCodec {
  /** As users see it: "Q4_K". */
  readonly name: string;
  /** Weights per block. */
  readonly blockSize: number;
  /** Bytes per block. */
  readonly blockByteLength: number;
  /**
   * Multi-byte fields inside one block, for byte-swapping big-endian files; single bytes are not listed.
   * `[byteOffset, byteWidth, count]` each.
   */
  readonly fields: readonly BlockField[];
  /**
   * "used": an importance matrix changes the bytes that `quantize` writes; "required": `quantize` refuses to work without
   * one. Absent: the matrix is ignored.
   */
  readonly importance?: "used" | "required";
  /**
   * Whole blocks to f32. `out.length` is the weight count, a multiple of `blockSize`;
   * `bytes.byteLength` must be `out.length / blockSize * blockByteLength`.
   */
  dequantize(bytes: Uint8Array, out: Float32Array): void;
  /**
   * Whole rows of f32 to blocks. `values.length` is a multiple of `rowLength`, `rowLength` of `blockSize`.
   * `importance`, where the type can use one: `rowLength` positive weights, one per column.
   * Types that only dequantize leave it out.
   */
  quantize?(values: Float32Array, rowLength: number, out: Uint8Array, importance?: Float32Array): void;
}

/** A field of several bytes inside a block, which big-endian files store in reverse. */
export type BlockField = readonly [byteOffset: number, byteWidth: 2 | 4 | 8, count: number];
