/** Adding and taking away 1.5 × 2^52 leaves a double rounded to the nearest integer, ties to even. */
const ROUND = 1.5 * 2 ** 52;

/** The nearest level of −zero … zero − 1 to a weight that is a number of steps from 0; zero is 2^(bits − 1). */
export function nearestLevel(steps: number, zero: number): number {
  return Math.max(-zero, Math.min(zero - 1, steps + ROUND - ROUND));
}
