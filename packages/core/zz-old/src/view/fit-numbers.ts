/** Which scales and offsets a layout can store, one by one. */
import { floatToE8m0, isE4m3Scale } from "../numeric/float8.ts";
import { isBfloat, isHalf } from "./facts.ts";
import type { Misfit, ViewRequirement } from "./requirement.ts";

/** Why an offset cannot be stored: a layout with offsets multiplies scale and code, then adds scale × zero point. */
export function offsetMisfit(
  scale: number,
  zero: number,
  { bias, codes, name, roundsToHalf }: ViewRequirement,
  row: number,
): Misfit | undefined {
  // with rounding allowed, any offset is stored
  if (bias === undefined || codes.kind !== "affine" || roundsToHalf) return undefined;
  const offset = scale * zero;
  if (!(isStorable(offset, bias) && Math.fround(offset) === offset)) {
    return {
      reason: `${name} stores scale × zero point as one ${bias.toLowerCase()} number, which must round it in row ${row}`,
      hint: "Q5_0 and, for groups of 256, Q4_K hold every zero point exactly.",
    };
  }
  const product = scale * codes.maxCode;
  if (Math.fround(product) === product) return undefined;
  return { reason: `the products of scale and code in row ${row} are no f32 numbers, which ${name} adds to` };
}

/** Which numbers a layout can store as scales. */
const SCALE_TYPES: Readonly<Record<ViewRequirement["scale"], (value: number) => boolean>> = {
  F32: () => true,
  F16: isHalf,
  BF16: isBfloat,
  E8M0: (value) => floatToE8m0(value) !== undefined,
  E4M3: isE4m3Scale,
};

/** True for a number that this encoding holds. */
export function isStorable(value: number, encoding: ViewRequirement["scale"]): boolean {
  return SCALE_TYPES[encoding](value);
}

/** Why a scale cannot be stored. */
export function scaleValueMisfit(
  scale: number,
  { scale: encoding, name }: ViewRequirement,
  row: number,
): Misfit | undefined {
  if (Number.isFinite(scale)) {
    if (isStorable(scale, encoding)) return undefined;
    return {
      reason: `the scale ${scale} of row ${row} is no ${encoding.toLowerCase()} value, and ${name} stores those`,
    };
  }
  return { reason: `a scale of row ${row} is ${scale}, not a finite number` };
}
