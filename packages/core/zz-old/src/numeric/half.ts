/**
 * IEEE 754 binary16 ↔ binary32, bit for bit as ggml does it (ggml, ggml-impl.h, `ggml_compute_fp16_to_fp32` and back):
 * widening is exact and makes signalling NaNs quiet; narrowing rounds ties to even, overflows to infinity, keeps
 * subnormals, and turns every NaN into 0x7E00 with its sign.
 */

const floatScratch = new Float32Array(1);
const bitScratch = new Uint32Array(floatScratch.buffer);

/** f32 bits of an f16 code. The one definition: the table is filled from it. */
export function halfToFloatBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0x1f) {
    const quiet = mantissa === 0 ? 0 : 0x400000;
    return (sign | 0x7f800000 | quiet | (mantissa << 13)) >>> 0;
  }
  if (exponent !== 0) return (sign | ((exponent + 112) << 23) | (mantissa << 13)) >>> 0;
  if (mantissa === 0) return sign >>> 0;
  // subnormal: mantissa × 2^-24, normalized by the position of its highest bit
  const shift = Math.clz32(mantissa) - 21;
  return (sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13)) >>> 0;
}

/** f16 code of f32 bits. */
export function floatBitsToHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  // 2^16 and up, infinity, NaN
  if (magnitude >= 0x47800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  // normal f16: rebias, then add just under half a unit, plus one where the kept part is odd (ties to even)
  if (magnitude >= 0x38800000)
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  // 2^-25 and down round to zero (2^-25 itself is a tie, and zero is even)
  if (magnitude <= 0x33000000) return sign;
  const shift = 126 - (magnitude >>> 23);
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const half = 1 << (shift - 1);
  return sign | ((mantissa + half - 1 + ((mantissa >>> shift) & 1)) >>> shift);
}

/** Value of an f16 code. */
export function halfToFloat(half: number): number {
  bitScratch[0] = halfToFloatBits(half);
  return floatScratch[0]!;
}

/** f16 code of a number, which is rounded to f32 first. */
export function floatToHalf(value: number): number {
  floatScratch[0] = value;
  return floatBitsToHalf(bitScratch[0]!);
}

/** False where an f16 code is infinite or NaN. */
export function halvesAreFinite(halves: Uint16Array): boolean {
  for (let i = 0; i < halves.length; i++) if ((halves[i]! & 0x7c00) === 0x7c00) return false;
  return true;
}

let table: Uint32Array | undefined;

/** f32 bits of all 65536 f16 codes (256 KiB, made on first use): one load per weight in codecs. */
export function halfTable(): Uint32Array {
  table ??= Uint32Array.from({ length: 0x10000 }, (_, half) => halfToFloatBits(half));
  return table;
}
