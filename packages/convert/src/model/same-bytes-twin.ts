/** The SIMD twin of `same-bytes.ts`. */
import { kernelAddress } from "@requant/core/kernels";
import { kernels } from "./kernels.ts";
import * as reference from "./same-bytes.ts";

/** Whether two arrays have the same bytes: by a kernel, where both are in its memory. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  const [one, other] = [kernelAddress(a), kernelAddress(b)];
  const kernel = one === undefined || other === undefined ? undefined : kernels.kernel("sameBytes");
  if (one === undefined || other === undefined || kernel === undefined) return reference.sameBytes(a, b);
  return a.length === b.length && kernel(one, other, a.length) !== 0;
}
