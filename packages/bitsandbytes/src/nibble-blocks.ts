/** The arithmetic of 4-bit weights, in TypeScript alone: kernels are compared with it. */
import { ROUND_TO } from "@requant/core/numeric";

/** A flattened weight: codes that are the places of their values in a table, and a scale for each block. */
export interface NibbleBlocks {
  /** Two codes a byte, the first in the high bits. */
  readonly codes: Uint8Array;
  /** The sixteen values of the codes. */
  readonly levels: Float32Array;
  /** One for each block. */
  readonly scales: Float32Array;
  readonly blockSize: number;
  /** What each value is rounded to. */
  readonly dtype: "F32" | "F16" | "BF16";
}

/** The sixteen values that codes have in a block with this scale. */
export function blockValues(
  { levels, dtype }: Pick<NibbleBlocks, "levels" | "dtype">,
  scale: number,
  values: Float32Array,
): void {
  const round = ROUND_TO[dtype];
  for (let code = 0; code < 16; code++) values[code] = round(Math.fround(levels[code]! * scale));
}

/** f32 values of the weights `[start, end)` of the flattened weight. */
export function dequantizeNibbleBlocks(
  blocks: NibbleBlocks,
  start: number,
  end: number,
  out: Float32Array,
): void {
  const { codes, scales, blockSize } = blocks;
  const values = new Float32Array(16);
  for (let at = start; at < end; ) {
    const block = Math.floor(at / blockSize);
    const stop = Math.min(end, (block + 1) * blockSize);
    blockValues(blocks, scales[block]!, values);
    for (; at < stop; at++) {
      const byte = codes[Math.floor(at / 2)]!;
      out[at - start] = values[at % 2 === 0 ? byte >> 4 : byte & 15]!;
    }
  }
}
