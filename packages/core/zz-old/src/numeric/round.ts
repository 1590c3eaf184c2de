/**
 * Rounding to integers as the reference implementations do it. `Math.round` follows neither rule: it rounds −0.5 to −0
 * and 0.5 to 1. Inputs are values that an f32 can hold.
 */

/**
 * Ties away from zero: C `roundf` and `lroundf`. Adding a half is exact here, because an f32 plus 0.5 fits a double
 * wherever it matters; in f32 it would turn 0.49999997 into 1.
 */
export function roundHalfAway(value: number): number {
  return Math.trunc(value + Math.sign(value) * 0.5);
}

/** Ties to the even neighbour: C `rintf` and `nearbyintf`, numpy and torch `round`. Right for every double. */
export function roundHalfEven(value: number): number {
  const magnitude = Math.abs(value);
  // from 2^52 on a double is an integer; this also lets NaN and zeros of both signs through
  if (!(magnitude < 2 ** 52) || magnitude === 0) return value;
  // 2^52 + magnitude has no room for a fraction, so the addition itself rounds, ties to even
  const rounded = magnitude + 2 ** 52 - 2 ** 52;
  return value < 0 ? -rounded : rounded;
}

const floatScratch = new Float32Array(1);
const bitScratch = new Int32Array(floatScratch.buffer);

/**
 * ggml's `nearest_int` (ggml, ggml-quants.c): half to even by adding 1.5 × 2^23 in f32 and reading the low 23 bits.
 * Beyond ±4194303 it wraps, as the release build of the reference does.
 */
export function nearestInt(value: number): number {
  floatScratch[0] = value + 12582912;
  return (bitScratch[0]! & 0x007fffff) - 0x00400000;
}
