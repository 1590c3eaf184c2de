import type { AttentionWindow } from "../decoder/attention.ts";

/** The heavy steps of a forward pass. Another implementation (SIMD, threads, a GPU) replaces them as a whole. */
export interface Compute {
  /** out[m, n] = a[m, k] · b[n, k]ᵀ; all row-major. */
  product(
    a: Float32Array,
    b: Float32Array,
    m: number,
    n: number,
    k: number,
    out: Float32Array,
  ): void | Promise<void>;
  /** Attention of whole windows, which do not depend on each other; the reference where it is absent. */
  attention?(windows: readonly AttentionWindow[]): void | Promise<void>;
}
