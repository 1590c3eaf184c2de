/**
 * Codes of a block of 32 taken straight from its extremes, without a search: the four oldest types when there is no
 * importance matrix. Codes come from the f32 scale, before it is rounded to f16.
 * Source: ggml, src/ggml-quants.c (quantize_row_q4_0_ref, q4_1, q5_0, q5_1).
 */
const fround = Math.fround;

/**
 * The value of largest magnitude, sign and all, becomes code 0; zero becomes `limit`; the last code is 2 × limit − 1.
 * Returns the scale.
 */
export function roundToExtreme(values: Float32Array, from: number, limit: number, codes: Uint8Array): number {
  let max = 0;
  let absMax = 0;
  for (let j = 0; j < 32; j++) {
    const value = values[from + j]!;
    const magnitude = Math.abs(value);
    if (absMax < magnitude) {
      absMax = magnitude;
      max = value;
    }
  }
  const d = fround(max / -limit);
  const inverse = d !== 0 ? fround(1 / d) : 0;
  const maxCode = 2 * limit - 1;
  for (let j = 0; j < 32; j++) {
    // C casts to int8: the low byte, sign-extended.
    let code = (fround(fround(values[from + j]! * inverse) + (limit + 0.5)) << 24) >> 24;
    if (code > maxCode) code = maxCode;
    codes[j] = code;
  }
  return d;
}

/**
 * Codes in [0, maxCode] that divide the block from its smallest value to its largest.
 * Returns the scale; minus the smallest value goes to `mins[0]`.
 */
export function roundToRange(
  values: Float32Array,
  from: number,
  maxCode: number,
  codes: Uint8Array,
  mins: Float32Array,
): number {
  let min = values[from]!;
  let max = min;
  for (let j = 1; j < 32; j++) {
    const value = values[from + j]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const d = fround(fround(max - min) / maxCode);
  const inverse = d !== 0 ? fround(1 / d) : 0;
  for (let j = 0; j < 32; j++) {
    // C casts to a byte.
    let code = fround(fround(fround(values[from + j]! - min) * inverse) + 0.5) & 255;
    if (code > maxCode) code = maxCode;
    codes[j] = code;
  }
  mins[0] = -min;
  return d;
}
