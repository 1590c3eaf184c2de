/** Arithmetic in a model's own float type, as torch does it: each result is computed in f32 and rounded once. */
import { bfloatToFloat, floatToBfloat, floatToHalf, halfToFloat } from "@requant/core";
import type { ScaleEncoding } from "@requant/core/format";

/** The nearest number of the type, ties to even. */
export const ROUND: Readonly<Record<ScaleEncoding, (value: number) => number>> = {
  F32: Math.fround,
  F16: (value) => halfToFloat(floatToHalf(value)),
  BF16: (value) => bfloatToFloat(floatToBfloat(value)),
};

/** The distance from 1 to the next number of the type: compressed-tensors' scale for a group of zeros. */
export const EPSILON: Readonly<Record<ScaleEncoding, number>> = {
  F32: 2 ** -23,
  F16: 2 ** -10,
  BF16: 2 ** -7,
};
