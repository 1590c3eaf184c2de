/**
 * bfloat16 ↔ f32, bit for bit as ggml does it (ggml, ggml-impl.h, `ggml_compute_fp32_to_bf16`): widening is a shift
 * and keeps every NaN as it is; narrowing rounds ties to even and sets the quiet bit of a NaN, keeping the upper payload.
 */

const floatScratch = new Float32Array(1);
const bitScratch = new Uint32Array(floatScratch.buffer);

/** bf16 code of f32 bits. */
export function floatBitsToBfloat(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  // the sum may pass 2^32, which a double holds; >>> takes it modulo 2^32, and no non-NaN value gets that far
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** Value of a bf16 code. */
export function bfloatToFloat(bfloat: number): number {
  bitScratch[0] = bfloat << 16;
  return floatScratch[0]!;
}

/** bf16 code of a number, which is rounded to f32 first. */
export function floatToBfloat(value: number): number {
  floatScratch[0] = value;
  return floatBitsToBfloat(bitScratch[0]!);
}
