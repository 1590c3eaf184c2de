/**
 * Floats to integers exactly as ggml's C does it on a machine without contraction, out-of-range values included.
 * Source: ggml, src/ggml-quants.c (nearest_int, roundf, casts) and the x86 conversion instructions they compile to.
 */

const sum: Float32Array = /* @__PURE__ */ new Float32Array(1);
const sumBits: Int32Array = /* @__PURE__ */ new Int32Array(sum.buffer);

/** 1.5 × 2^23: adding it leaves the nearest integer, ties to even, in the low mantissa bits. */
const MAGIC = 12582912;

/**
 * The nearest integer, ties to even, for |value| ≤ 4194303; other values wrap as ggml's release builds let them.
 * Reading the bits is also the fastest way in V8: no range check, and the result is an int32 from the start.
 */
export function nearestInt(value: number): number {
  sum[0] = value + MAGIC;
  return (sumBits[0]! & 0x7fffff) - 0x400000;
}

/** C's `roundf` then a cast to int: ties away from zero. An f32 plus one half is exact in a double. */
export function roundHalfAway(value: number): number {
  return (value < 0 ? value - 0.5 : value + 0.5) | 0;
}
