import { bfloatToFloat, floatToBfloat, floatToHalf, halfToFloat } from "@requant/core";
import type { ScaleEncoding } from "@requant/core/format";

const ROUNDINGS: Readonly<Record<ScaleEncoding, (value: number) => number>> = {
  F32: Math.fround,
  F16: (value) => halfToFloat(floatToHalf(Math.fround(value))),
  BF16: (value) => bfloatToFloat(floatToBfloat(Math.fround(value))),
};

/**
 * Rounds the exact result of one operation to a type. A sum or product of numbers of a 16-bit type is a number of f32, or
 * so close to one that rounding to f32 first changes nothing.
 */
export function roundingTo(encoding: ScaleEncoding): (value: number) => number {
  return ROUNDINGS[encoding];
}
