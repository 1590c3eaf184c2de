import { activate } from "../decoder/activation.ts";
import { attend } from "../decoder/attention.ts";
import type { Compute } from "./compute.ts";

/** Rows of `b` that share one pass over a row of `a`. */
const WIDTH = 4;

/** Sums of four products at once are f64 and rounded to f32 at the end. */
function product(a: Float32Array, b: Float32Array, m: number, n: number, k: number, out: Float32Array): void {
  const whole = n - (n % WIDTH);
  for (let row = 0; row < m; row++) {
    const from = row * k;
    for (let column = 0; column < whole; column += WIDTH) {
      const b0 = column * k;
      const b1 = b0 + k;
      const b2 = b1 + k;
      const b3 = b2 + k;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let i = 0; i < k; i++) {
        const x = a[from + i]!;
        s0 += x * b[b0 + i]!;
        s1 += x * b[b1 + i]!;
        s2 += x * b[b2 + i]!;
        s3 += x * b[b3 + i]!;
      }
      const to = row * n + column;
      out[to] = s0;
      out[to + 1] = s1;
      out[to + 2] = s2;
      out[to + 3] = s3;
    }
    for (let column = whole; column < n; column++) {
      let sum = 0;
      for (let i = 0; i < k; i++) sum += a[from + i]! * b[column * k + i]!;
      out[row * n + column] = sum;
    }
  }
}

/** Each sum is f64 until it is added. */
function addMoments(x: Float32Array, tokens: number, columns: number, sums: Float32Array): void {
  for (let row = 0; row < columns; row++) {
    for (let column = row; column < columns; column++) {
      let sum = 0;
      for (let at = 0; at < tokens * columns; at += columns) sum += x[at + row]! * x[at + column]!;
      sums[row * columns + column]! += sum;
    }
  }
}

/** The definition in TypeScript alone: slow, and right. */
export const referenceCompute: Compute = {
  name: "TypeScript",
  product,
  attention: attend,
  activate,
  addMoments,
  allocate: (length) => ({ values: new Float32Array(length), release() {} }),
  async close() {},
};
