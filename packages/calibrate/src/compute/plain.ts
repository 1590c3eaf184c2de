import { activate } from "../decoder/activation.ts";
import { attend } from "../decoder/attention.ts";
import type { Compute } from "./compute.ts";

/** TypeScript alone, one thread: what the kernels are compared with, and what runs where an engine has no SIMD. Sums in f64. */
export function plainCompute(): Compute {
  return {
    name: "TypeScript",
    product(a, b, m, n, k, out) {
      for (let row = 0; row < m; row++) {
        for (let column = 0; column < n; column++) {
          let sum = 0;
          for (let step = 0; step < k; step++) sum += a[row * k + step]! * b[column * k + step]!;
          out[row * n + column] = sum;
        }
      }
    },
    attention: attend,
    activate,
    addMoments(x, tokens, columns, sums) {
      for (let row = 0; row < columns; row++) {
        for (let column = row; column < columns; column++) {
          let sum = 0;
          for (let at = 0; at < tokens * columns; at += columns) sum += x[at + row]! * x[at + column]!;
          sums[row * columns + column]! += sum;
        }
      }
    },
    allocate: (length) => ({ values: new Float32Array(length), release() {} }),
    async close() {},
  };
}
