/** The SIMD twin of `blocksToView` in `view/index.ts`, for Q4_K. */
import { kernelAddress, kernelMemory, tileOffset } from "@requant/core/kernels";
import type { StoredView } from "@requant/core/view";
import * as reference from "../view/index.ts";
import type { GgufViewSource, Unpacked } from "../view/view-type.ts";
import { kernelOf } from "./module.ts";

/** Weights of a block, and numbers of its sub-blocks. */
const SIZE = 256;
const PARTS = 8;

/** Blocks whose bytes, codes and numbers fit the tiles. */
const MOST_BLOCKS = 1024;

/**
 * Whole rows of blocks as a view: the compact form where the type stores integers around a fixed zero point and one scale
 * for each group, else the general form. `integerView` tells whether that one can be compact, too.
 * @throws UsageError when the bytes are not whole rows
 */
export function blocksToView(
  type: GgufViewSource,
  bytes: Uint8Array,
  rows: number,
  columns: number,
): StoredView {
  return reference.blocksToView(type, bytes, rows, columns, unpackBlocks);
}

const unpackBlocks: reference.UnpackBlocks = (type, bytes, blocks, out) => {
  const kernel = type.name === "Q4_K" ? kernelOf("unpackQ4_K") : undefined;
  if (kernel === undefined) {
    reference.unpackBlocks(type, bytes, blocks, out);
    return;
  }
  const { buffer } = kernelMemory();
  const inside = kernelAddress(bytes);
  for (let block = 0; block < blocks; block += MOST_BLOCKS) {
    const count = Math.min(MOST_BLOCKS, blocks - block);
    const from = block * type.blockByteLength;
    if (inside === undefined) {
      const part = bytes.subarray(from, from + count * type.blockByteLength);
      new Uint8Array(buffer, tileOffset(1), part.length).set(part);
    }
    kernel(inside === undefined ? tileOffset(1) : inside + from, count, tileOffset(0), tileOffset(2));
    out.codes.set(new Uint8Array(buffer, tileOffset(0), count * SIZE), block * SIZE);
    takeNumbers(new Float32Array(buffer, tileOffset(2), count * (1 + 2 * PARTS)), block, count, out);
  }
};

function takeNumbers(
  numbers: Float32Array,
  block: number,
  count: number,
  { factors: [scales, subScales], biases }: Unpacked,
): void {
  const parts = count * PARTS;
  scales?.set(numbers.subarray(0, count), block);
  subScales?.set(numbers.subarray(count, count + parts), block * PARTS);
  biases.set(numbers.subarray(count + parts), block * PARTS);
}
