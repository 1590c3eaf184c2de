/** The SIMD twin of `nibble-blocks.ts`, compiled from `assembly/` by scripts/build-kernels.mjs. */
import {
  descriptor,
  type KernelModule,
  kernelAddress,
  kernelMemory,
  kernelModule,
  SCRATCH_BYTE_LENGTH,
  TILE_BYTE_LENGTH,
  tileOffset,
} from "@requant/core/kernels";
import { wasm } from "../generated/kernels.ts";
import * as reference from "../nibble-blocks.ts";

const kernels: KernelModule = /* @__PURE__ */ kernelModule(wasm);

/** The fields of the class `PlacedBlocks` in assembly/nibble-blocks.ts. */
interface PlacedBlocks {
  readonly codes: number;
  readonly blockBytes: number;
  readonly blocks: number;
  readonly levels: number;
  readonly scales: number;
  readonly rounding: number;
  readonly out: number;
}

const placeNibbleBlocks = /* @__PURE__ */ descriptor(
  ({ codes, blockBytes, blocks, levels, scales, rounding, out }: PlacedBlocks) => [
    codes,
    blockBytes,
    blocks,
    levels,
    scales,
    rounding,
    out,
  ],
);

const ROUNDINGS: Readonly<Record<reference.NibbleBlocks["dtype"], number>> = { F32: 0, BF16: 1, F16: 2 };

/** Bytes of the sixteen values, behind which the scales are placed. */
const LEVELS_BYTE_LENGTH = 64;

/** f32 values of the weights `[start, end)` of the flattened weight. */
export function dequantizeNibbleBlocks(
  blocks: reference.NibbleBlocks,
  start: number,
  end: number,
  out: Float32Array,
): void {
  const { blockSize } = blocks;
  const first = Math.ceil(start / blockSize);
  const last = Math.floor(end / blockSize);
  if (last <= first || !dequantizeWholeBlocks(blocks, first, last, out, first * blockSize - start)) {
    reference.dequantizeNibbleBlocks(blocks, start, end, out);
    return;
  }
  const [wholeStart, wholeEnd] = [first * blockSize, last * blockSize];
  reference.dequantizeNibbleBlocks(blocks, start, wholeStart, out.subarray(0, wholeStart - start));
  reference.dequantizeNibbleBlocks(blocks, wholeEnd, end, out.subarray(wholeEnd - start));
}

/** Blocks `[first, last)` to `out` from `outStart` on; false where there is no kernel for them. */
function dequantizeWholeBlocks(
  { codes, levels, scales, blockSize, dtype }: reference.NibbleBlocks,
  first: number,
  last: number,
  out: Float32Array,
  outStart: number,
): boolean {
  const kernel = kernels.kernel("dequantizeNibbleBlocks");
  // small enough for the copied bytes to stay in the first-level cache
  const most = Math.floor(SCRATCH_BYTE_LENGTH / (4 * blockSize));
  if (kernel === undefined || blockSize % 32 !== 0 || most === 0) return false;
  const { buffer } = kernelMemory();
  const blockBytes = blockSize / 2;
  const codesAddress = kernelAddress(codes);
  const outAddress = kernelAddress(out);
  const levelsAt = tileOffset(2);
  const scalesAt = levelsAt + LEVELS_BYTE_LENGTH;
  new Float32Array(buffer, levelsAt, 16).set(levels);
  const step = outAddress === undefined || codesAddress === undefined ? most : TILE_BYTE_LENGTH / 8;
  for (let block = first; block < last; block += step) {
    const count = Math.min(step, last - block);
    new Float32Array(buffer, scalesAt, count).set(scales.subarray(block, block + count));
    const from = block * blockBytes;
    if (codesAddress === undefined) {
      const copy = new Uint8Array(buffer, tileOffset(0), count * blockBytes);
      copy.set(codes.subarray(from, from + count * blockBytes));
    }
    const to = outStart + (block - first) * blockSize;
    const outAt = outAddress === undefined ? tileOffset(1) : outAddress + 4 * to;
    kernel(
      placeNibbleBlocks({
        codes: codesAddress === undefined ? tileOffset(0) : codesAddress + from,
        blockBytes,
        blocks: count,
        levels: levelsAt,
        scales: scalesAt,
        rounding: ROUNDINGS[dtype],
        out: outAt,
      }),
    );
    if (outAddress === undefined) out.set(new Float32Array(buffer, outAt, count * blockSize), to);
  }
  return true;
}
