import { floatToHalf, halfToFloat } from "@requant/core";

/** The little-endian f16 at `offset`, as f32. */
export function readHalf(bytes: Uint8Array, offset: number): number {
  return halfToFloat(bytes[offset]! | (bytes[offset + 1]! << 8));
}

/** Stores `value` as a little-endian f16 (nearest, ties to even). */
export function writeHalf(bytes: Uint8Array, offset: number, value: number): void {
  const half = floatToHalf(value);
  bytes[offset] = half;
  bytes[offset + 1] = half >> 8;
}
