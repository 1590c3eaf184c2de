/** Numbers for tests of products and second moments, and how far results are from sums in f64, made one number at a time. */
import type { Compute } from "@requant/calibrate";

/** Numbers within ± range that look random. */
export function numbers(length: number, seed: number, range = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return range * (state / 2 ** 31 - 1);
  });
}

/** Sums of products of numbers within ±1: f32 sums of `steps` such terms are within this of the exact sum. */
export const bound = (steps: number): number => 2e-7 * steps + 1e-6;

/** The largest distance of a[m, k] × b[n, k]ᵀ from sums in f64; NaN where a number is missing. */
export async function productError(
  compute: Compute,
  [m, n, k]: readonly [number, number, number],
  placed: (values: Float32Array) => Float32Array = (values) => values,
): Promise<number> {
  const a = placed(numbers(m * k, 1));
  const b = placed(numbers(n * k, 2));
  const out = placed(new Float32Array(m * n).fill(Number.NaN));
  await compute.product(a, b, m, n, k, out);
  let worst = 0;
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < n; column++) {
      let sum = 0;
      for (let step = 0; step < k; step++) sum += a[row * k + step]! * b[column * k + step]!;
      worst = Math.max(worst, Math.abs(sum - out[row * n + column]!));
    }
  }
  return worst;
}

/** The largest distance of before + xᵀ x, at and above the diagonal, from sums in f64. */
export async function momentsError(compute: Compute, tokens: number, columns: number): Promise<number> {
  const x = numbers(tokens * columns, 3);
  const before = numbers(columns * columns, 4);
  const sums = before.slice();
  await compute.addMoments(x, tokens, columns, sums);
  return worstAbove(sums, x, columns, (at) => before[at]!);
}

/** The largest distance of sums, at and above the diagonal, from `before` + xᵀ x in f64. */
export function worstAbove(
  sums: Float32Array,
  x: Float32Array,
  columns: number,
  before: (at: number) => number = () => 0,
): number {
  let worst = 0;
  for (let row = 0; row < columns; row++) {
    for (let column = row; column < columns; column++) {
      let sum = before(row * columns + column);
      for (let at = 0; at < x.length; at += columns) sum += x[at + row]! * x[at + column]!;
      worst = Math.max(worst, Math.abs(sum - sums[row * columns + column]!));
    }
  }
  return worst;
}

/** Tokens and columns: edges of tiles, and one past them. */
export const momentShapes = [
  [1, 1],
  [7, 3],
  [300, 37],
  [64, 300],
] as const;
