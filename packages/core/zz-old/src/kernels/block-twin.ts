import type { BlockCodec } from "../format/block-codec.ts";
import { checkBlockLengths, checkRowLengths } from "../format/check-lengths.ts";
import { kernelMemory, SCRATCH_BYTE_LENGTH, scratchOffset } from "./memory.ts";
import type { Kernel, KernelModule } from "./module.ts";

/** How the kernels of a type are called, beyond the exports that `blockTwin` names. */
export interface BlockTwinOptions {
  /**
   * Where the type weighs importance against the mean square of the whole row: the export that adds the squares of
   * `count` f32 at an address to a sum, in order.
   */
  readonly rowVariance?: string;
}

interface QuantizeWork {
  readonly kernel: Kernel;
  readonly values: Float32Array;
  readonly out: Uint8Array;
  readonly importance: Float32Array | undefined;
}

/**
 * The codec with its SIMD twin in front: the exports `dequantize<name>(bytes, blocks, out)`,
 * `quantize<name>(values, blocks, out)` and `quantizeWeighted<name>(values, blocks, out, importance, variance)` of
 * `kernels`, where they exist; the codec itself everywhere else. Arrays that live in a `KernelBuffer` are worked on in
 * place, others go through scratch memory.
 *
 * A `quantize…` export may return the number of blocks that it has not done, because a block has numbers that its
 * arithmetic does not cover, such as NaN. The codec does that block, and the kernel goes on after it. Blocks must not
 * depend on each other.
 */
export function blockTwin(
  codec: BlockCodec,
  kernels: KernelModule,
  options: BlockTwinOptions = {},
): BlockCodec {
  const { name, blockSize, blockByteLength } = codec;
  // as many blocks as scratch memory takes at once, on the side of the values or of the bytes
  const chunk = Math.floor(SCRATCH_BYTE_LENGTH / Math.max(4 * blockSize, blockByteLength));
  const dequantizeName = `dequantize${name}`;
  const quantizeName = `quantize${name}`;
  const quantizeWeightedName = `quantizeWeighted${name}`;
  const twin: BlockCodec = {
    ...codec,
    dequantize(bytes, out) {
      const kernel = kernels.kernel(dequantizeName);
      if (kernel === undefined) return codec.dequantize(bytes, out);
      dequantize(kernel, bytes, checkBlockLengths(codec, bytes.length, out.length), out);
    },
  };
  const { quantize } = codec;
  if (quantize === undefined) return twin;
  return {
    ...twin,
    quantize(values, rowLength, out, givenImportance) {
      const importance = codec.importance === undefined ? undefined : givenImportance;
      const kernel = kernels.kernel(importance === undefined ? quantizeName : quantizeWeightedName);
      if (kernel === undefined) return quantize(values, rowLength, out, givenImportance);
      const blocks = checkRowLengths(codec, values.length, rowLength, out.length, givenImportance);
      const work = { kernel, values, out, importance };
      if (importance === undefined) quantizeBlocks(work, 0, blocks, 0);
      else quantizeRows(work, rowLength, blocks);
    },
  };

  function dequantize(kernel: Kernel, bytes: Uint8Array, blocks: number, out: Float32Array): void {
    const { buffer } = kernelMemory();
    const bytesInside = bytes.buffer === buffer;
    const outInside = out.buffer === buffer;
    const step = bytesInside && outInside ? blocks : chunk;
    for (let block = 0; block < blocks; block += step) {
      const count = Math.min(step, blocks - block);
      const byteStart = block * blockByteLength;
      const start = block * blockSize;
      let from = bytes.byteOffset + byteStart;
      if (!bytesInside) {
        from = scratchOffset(0);
        new Uint8Array(buffer, from, count * blockByteLength).set(
          bytes.subarray(byteStart, byteStart + count * blockByteLength),
        );
      }
      const to = outInside ? out.byteOffset + 4 * start : scratchOffset(1);
      kernel(from, count, to);
      if (!outInside) out.set(new Float32Array(buffer, to, count * blockSize), start);
    }
  }

  function quantizeRows(work: QuantizeWork, rowLength: number, blocks: number): void {
    const rowBlocks = rowLength / blockSize;
    for (let block = 0; block < blocks; block += rowBlocks) {
      const variance = rowVariance(work.values, block * blockSize, rowLength);
      quantizeBlocks(work, block, rowBlocks, variance);
    }
  }

  /** The mean square of a row, added in index order and rounded to f32 at each step. */
  function rowVariance(values: Float32Array, start: number, rowLength: number): number {
    const kernel = options.rowVariance === undefined ? undefined : kernels.kernel(options.rowVariance);
    if (kernel === undefined) return 0;
    const { buffer } = kernelMemory();
    let sum = 0;
    if (values.buffer === buffer) sum = kernel(values.byteOffset + 4 * start, rowLength, 0);
    else {
      const step = SCRATCH_BYTE_LENGTH / 4;
      const at = scratchOffset(0);
      for (let i = 0; i < rowLength; i += step) {
        const count = Math.min(step, rowLength - i);
        new Float32Array(buffer, at, count).set(values.subarray(start + i, start + i + count));
        sum = kernel(at, count, sum);
      }
    }
    return Math.fround(sum / rowLength);
  }

  /** Quantizes block `index` of the values in memory with the codec. */
  function quantizeOne(index: number, from: number, to: number, weights: number): void {
    const { buffer } = kernelMemory();
    const start = 4 * blockSize * index;
    quantize?.(
      new Float32Array(buffer, from + start, blockSize),
      blockSize,
      new Uint8Array(buffer, to + blockByteLength * index, blockByteLength),
      weights === 0 ? undefined : new Float32Array(buffer, weights + start, blockSize),
    );
  }

  /** `count` blocks from block `first` on, all of one row if there is an importance matrix. */
  function quantizeBlocks(
    { kernel, values, out, importance }: QuantizeWork,
    first: number,
    count: number,
    variance: number,
  ): void {
    const { buffer } = kernelMemory();
    const valuesInside = values.buffer === buffer;
    const outInside = out.buffer === buffer;
    const importanceInside = importance === undefined || importance.buffer === buffer;
    const step = valuesInside && outInside && importanceInside ? count : chunk;
    for (let done = 0; done < count; done += step) {
      const blocks = Math.min(step, count - done);
      const start = (first + done) * blockSize;
      const length = blocks * blockSize;
      const byteStart = (first + done) * blockByteLength;
      let from = values.byteOffset + 4 * start;
      if (!valuesInside) {
        from = scratchOffset(0);
        new Float32Array(buffer, from, length).set(values.subarray(start, start + length));
      }
      let weights = 0;
      if (importance !== undefined) {
        const column = done * blockSize;
        weights = importance.byteOffset + 4 * column;
        if (!importanceInside) {
          weights = scratchOffset(2);
          new Float32Array(buffer, weights, length).set(importance.subarray(column, column + length));
        }
      }
      const to = outInside ? out.byteOffset + byteStart : scratchOffset(1);
      for (let left = blocks; left > 0; left--) {
        const at = blocks - left;
        const column = 4 * blockSize * at;
        const target = to + blockByteLength * at;
        left = kernel(from + column, left, target, weights === 0 ? 0 : weights + column, variance) || 0;
        if (left > 0) quantizeOne(blocks - left, from, to, weights);
      }
      if (!outInside) out.set(new Uint8Array(buffer, to, blocks * blockByteLength), byteStart);
    }
  }
}
