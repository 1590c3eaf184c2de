import { bfloatToFloat, floatToBfloat } from "./bfloat.ts";
import { floatToHalf, halfToFloat } from "./half.ts";

/**
 * The nearest number of a float type, ties to even. For the 16-bit types the value is rounded to f32 first, as torch
 * computes; where it is the exact sum or product of two numbers of that type, this changes nothing.
 */
export const ROUND_TO: Readonly<Record<"F32" | "F16" | "BF16", (value: number) => number>> = {
  F32: Math.fround,
  F16: (value) => halfToFloat(floatToHalf(value)),
  BF16: (value) => bfloatToFloat(floatToBfloat(value)),
};
