import { allocateKernelBuffer, type KernelBuffer, kernelAddress } from "@requant/core/kernels";

/**
 * A buffer in the memory of the kernels, for figures of kernels that copy nothing. Elsewhere it would only be slower: the
 * memory cannot grow while a buffer is held that was allocated before the last wait.
 */
export function sampleBuffer(byteLength: number): KernelBuffer {
  const buffer = allocateKernelBuffer(byteLength);
  if (byteLength > 0 && kernelAddress(buffer.bytes()) === undefined) {
    throw new Error("There is no room in the kernels' memory: a buffer is not released.");
  }
  return buffer;
}
