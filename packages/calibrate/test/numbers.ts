/** Numbers for tests of products and sums, and how exact f32 sums of them are. */

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
