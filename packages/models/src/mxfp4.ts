/** MXFP4 as gpt-oss's checkpoints store it, in two tensors of bytes: decoding to values, and repacking as ggml's blocks. */

/** Values of a block, which share a scale. */
export const MXFP4_BLOCK = 32;
/** Bytes of codes per block. */
export const MXFP4_CODES = 16;

/** The 16 numbers of FP4 E2M1 (OCP Microscaling Formats 1.0): sign, two bits of exponent, one of mantissa. As in ggml, no −0. */
const E2M1: readonly number[] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6];

/** Bytes of codes and of scales to values: E2M1 × 2^(scale − 127). Byte `i` of a block holds values `2i` low and `2i + 1` high. */
export function decodeMxfp4(codes: ArrayLike<number>, scales: ArrayLike<number>, out: Float32Array): void {
  let at = 0;
  for (let block = 0; block < scales.length; block++) {
    const scale = 2 ** (scales[block]! - 127);
    for (let i = block * MXFP4_CODES; i < (block + 1) * MXFP4_CODES; i++) {
      const pair = codes[i]!;
      out[at++] = E2M1[pair & 15]! * scale;
      out[at++] = E2M1[pair >> 4]! * scale;
    }
  }
}

/**
 * One row of MXFP4 from Hugging Face's order to ggml's: per 32 values the scale byte, then 16 bytes whose low nibbles are
 * values 0–15 and high nibbles 16–31 (Hugging Face: byte `i` holds values `2i` low and `2i + 1` high). Values are the same.
 * `blocks` is `16 × n` bytes, `scales` `n` bytes, `out` `17 × n`.
 */
export function repackMxfp4Row(blocks: Uint8Array, scales: Uint8Array, out: Uint8Array): void {
  for (let block = 0; block < scales.length; block++) {
    const from = block * 16;
    const to = block * 17;
    out[to] = scales[block]!;
    for (let index = 0; index < 16; index++) {
      const low = blocks[from + (index >> 1)]! >> ((index & 1) * 4);
      const high = blocks[from + 8 + (index >> 1)]! >> ((index & 1) * 4);
      out[to + 1 + index] = (low & 15) | ((high & 15) << 4);
    }
  }
}

/** The inverse of {@link repackMxfp4Row}. */
export function unpackMxfp4Row(row: Uint8Array, blocks: Uint8Array, scales: Uint8Array): void {
  for (let block = 0; block < scales.length; block++) {
    const from = block * 17;
    const to = block * 16;
    scales[block] = row[from]!;
    blocks.fill(0, to, to + 16);
    for (let index = 0; index < 16; index++) {
      const packed = row[from + 1 + index]!;
      const shift = (index & 1) * 4;
      blocks[to + (index >> 1)]! |= (packed & 15) << shift;
      blocks[to + 8 + (index >> 1)]! |= (packed >> 4) << shift;
    }
  }
}
