/**
 * EXL2's scales: a 4-bit S per column and group, squared, times one f16 per group. All of it in f16, rounded once at each
 * step, as the kernel, the quantizer and every reader do:
 *
 *   m      = f16(q_scale_max × (1 / 256))      may be subnormal, so the division is rounded here and nowhere else
 *   scale  = f16(S² × m)                       S = nibble + 1, 1 to 16
 *   weight = f16((q − 2^(bits − 1)) × scale)
 *
 * Source: exllamav2, cuda/q_matrix.cu and cuda/quant/qdq_*.cuh.
 */
import { floatToHalf, halfToFloat } from "@requant/core";

/** The nearest f16 value, ties to even. */
export function half(value: number): number {
  return halfToFloat(floatToHalf(value));
}

/** The 16 scales that a group can give its columns; `maxScale` is the f16 in q_scale_max. */
export function groupScales(maxScale: number): Float32Array {
  const m = half(maxScale / 256);
  return Float32Array.from({ length: 16 }, (_, nibble) => half((nibble + 1) * (nibble + 1) * m));
}
