/**
 * The arithmetic of four-bit floats with block scales: E2M1 codes, two in a byte, and one scale byte for so many of them.
 * value = level(code) × scale(byte), one product in f32.
 * Sources: OCP Microscaling Formats 1.0; NVIDIA Model Optimizer, quantization/qtensor/nvfp4_tensor.py.
 */
import { E2M1_VALUES } from "@requant/core/numeric";

/** Codes of consecutive blocks, whose columns follow each other. */
export interface PairedCodes {
  /** Byte i holds code 2i in its low nibble and code 2i + 1 in its high nibble. */
  readonly pairs: Uint8Array;
  /** One byte for each block. */
  readonly scales: Uint8Array;
  /** What each of the 256 scale bytes stands for. */
  readonly scaleValues: Float32Array;
  /** Codes of a block: 16 or 32. */
  readonly blockSize: number;
}

/** f32 values of all blocks to `out`, which holds exactly those. */
export function dequantizePairs(codes: PairedCodes, out: Float32Array): void {
  const { pairs, scales, scaleValues, blockSize } = codes;
  const byteLength = blockSize / 2;
  for (let block = 0, from = 0, to = 0; block < scales.length; block++) {
    const scale = scaleValues[scales[block]!]!;
    for (const end = from + byteLength; from < end; from++, to += 2) {
      const pair = pairs[from]!;
      out[to] = E2M1_VALUES[pair & 15]! * scale;
      out[to + 1] = E2M1_VALUES[pair >> 4]! * scale;
    }
  }
}

/** Two codes of each byte, in their order. */
export function unpackPairs(pairs: Uint8Array, codes: Uint8Array): void {
  for (let i = 0; i < pairs.length; i++) {
    codes[2 * i] = pairs[i]! & 15;
    codes[2 * i + 1] = pairs[i]! >> 4;
  }
}

/** The reverse of `unpackPairs`. */
export function packPairs(codes: Uint8Array, pairs: Uint8Array): void {
  for (let i = 0; i < pairs.length; i++) pairs[i] = codes[2 * i]! | (codes[2 * i + 1]! << 4);
}
