/** The SIMD twin of `pairs.ts`, compiled from `assembly/` by scripts/build-kernels.mjs. */
import {
  type KernelModule,
  kernelAddress,
  kernelMemory,
  kernelModule,
  SCRATCH_BYTE_LENGTH,
  tileOffset,
} from "@requant/core/kernels";
import { wasm } from "../generated/kernels.ts";
import * as reference from "../pairs.ts";

const kernels: KernelModule = /* @__PURE__ */ kernelModule(wasm);

/** f32 values of all blocks to `out`, which holds exactly those. */
export function dequantizePairs(codes: reference.PairedCodes, out: Float32Array): void {
  const { pairs, scales, scaleValues, blockSize } = codes;
  const kernel = kernels.kernel(`dequantizePairs${blockSize}`);
  if (kernel === undefined) {
    reference.dequantizePairs(codes, out);
    return;
  }
  const { buffer } = kernelMemory();
  const table = tileOffset(2);
  new Float32Array(buffer, table, scaleValues.length).set(scaleValues);
  const [pairsAt, scalesAt, outAt] = [pairs, scales, out].map(kernelAddress);
  const isInside = pairsAt !== undefined && scalesAt !== undefined && outAt !== undefined;
  // as many blocks as scratch memory takes of values, which are longer than anything else
  const step = isInside ? scales.length : SCRATCH_BYTE_LENGTH / (4 * blockSize);
  const width = blockSize / 2;
  for (let block = 0; block < scales.length; block += step) {
    const count = Math.min(step, scales.length - block);
    const from = pairsAt === undefined ? tileOffset(0) : pairsAt + block * width;
    const scaleFrom = scalesAt === undefined ? tileOffset(0) + step * width : scalesAt + block;
    const to = outAt === undefined ? tileOffset(1) : outAt + 4 * block * blockSize;
    if (pairsAt === undefined) {
      new Uint8Array(buffer, from, count * width).set(pairs.subarray(block * width, (block + count) * width));
    }
    if (scalesAt === undefined)
      new Uint8Array(buffer, scaleFrom, count).set(scales.subarray(block, block + count));
    kernel(from, scaleFrom, table, count, to);
    if (outAt === undefined) out.set(new Float32Array(buffer, to, count * blockSize), block * blockSize);
  }
}
