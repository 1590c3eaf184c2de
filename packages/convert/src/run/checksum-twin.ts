/** The SIMD twin of `checksum.ts`. */
import { allocateKernelBuffer, kernelAddress } from "@requant/core/kernels";
import { kernels } from "../model/kernels.ts";
import * as reference from "./checksum.ts";

/** 16 hex digits. Bytes in the kernels' memory are summed by a kernel, others in TypeScript, with the same result. */
export function checksum(bytes: Uint8Array): string {
  const address = kernelAddress(bytes);
  const kernel = address === undefined ? undefined : kernels.kernel("checksum");
  if (address === undefined || kernel === undefined) return reference.checksum(bytes);
  const low = kernel(address, bytes.byteLength);
  return reference.hexOf(kernels.kernel("checksumHigh")?.() ?? 0, low);
}

/** The same, but the bytes are first copied into the kernels' memory. Faster where there are many. */
export function checksumOfCopy(bytes: Uint8Array): string {
  const buffer = allocateKernelBuffer(Math.ceil(bytes.byteLength / 4) * 4);
  try {
    const copy = buffer.bytes(0, bytes.byteLength);
    copy.set(bytes);
    return checksum(copy);
  } finally {
    buffer.release();
  }
}
