import { ConversionError } from "@requant/core";

/**
 * What a conversion does to the values of one tensor.
 *   copy         the stored bytes themselves (whole rows may change places)
 *   exact        other bytes, the same real values
 *   rounded      the same numbers rounded to a narrower type, or moved by a constant in f32 (exact where no sum rounds)
 *   requantized  new codes: the error is measured while encoding
 *   float        quantized values rounded to a float type
 */
export type Fidelity = "copy" | "exact" | "rounded" | "requantized" | "float";

/** All fidelities, the most faithful first. */
export const fidelities: readonly Fidelity[] = ["copy", "exact", "rounded", "requantized", "float"];

/** True when no value changes: what `--exact` allows. */
export function isLossless(fidelity: Fidelity): boolean {
  return fidelity === "copy" || fidelity === "exact";
}

/**
 * The numbers that an encoding can hold: a significand of so many bits (the hidden one counted) times powers of two
 * from `leastExponent` (that of the smallest subnormal's only bit) up to `greatestExponent` (that of the largest
 * number's leading bit). Whether one encoding holds all numbers of another is arithmetic on these three.
 */
interface NumberRange {
  readonly significandBits: number;
  readonly leastExponent: number;
  readonly greatestExponent: number;
}

const FLOATS: Readonly<Record<string, NumberRange>> = {
  F64: { significandBits: 53, leastExponent: -1074, greatestExponent: 1023 },
  F32: { significandBits: 24, leastExponent: -149, greatestExponent: 127 },
  BF16: { significandBits: 8, leastExponent: -133, greatestExponent: 127 },
  F16: { significandBits: 11, leastExponent: -24, greatestExponent: 15 },
  F8_E5M2: { significandBits: 3, leastExponent: -16, greatestExponent: 15 },
  // "fn": no infinities, largest 448
  F8_E4M3: { significandBits: 4, leastExponent: -9, greatestExponent: 8 },
};

const INTEGERS: Readonly<Record<string, NumberRange>> = {
  BOOL: { significandBits: 1, leastExponent: 0, greatestExponent: 0 },
  I8: { significandBits: 8, leastExponent: 0, greatestExponent: 7 },
  U8: { significandBits: 8, leastExponent: 0, greatestExponent: 7 },
  I16: { significandBits: 16, leastExponent: 0, greatestExponent: 15 },
  U16: { significandBits: 16, leastExponent: 0, greatestExponent: 15 },
  I32: { significandBits: 32, leastExponent: 0, greatestExponent: 31 },
  U32: { significandBits: 32, leastExponent: 0, greatestExponent: 31 },
  I64: { significandBits: 64, leastExponent: 0, greatestExponent: 63 },
  U64: { significandBits: 64, leastExponent: 0, greatestExponent: 63 },
};

/** Block types whose every value needs fewer bits than an f32 has, whatever the blocks say. */
const QUANTIZED: Readonly<Record<string, NumberRange>> = {
  // E2M1 has two significant bits; times a power of two from 2^-128 on; what is too large is infinite in every float type
  MXFP4: { significandBits: 2, leastExponent: -128, greatestExponent: 127 },
  // times an E4M3 scale, whose smallest step is 2^-9, and 448 at most
  NVFP4: { significandBits: 6, leastExponent: -10, greatestExponent: 11 },
  // an f16 number, its negative or 0
  Q1_0: { significandBits: 11, leastExponent: -24, greatestExponent: 15 },
  TQ1_0: { significandBits: 11, leastExponent: -24, greatestExponent: 15 },
};

function holds(to: NumberRange, from: NumberRange): boolean {
  return (
    to.significandBits >= from.significandBits &&
    to.leastExponent <= from.leastExponent &&
    to.greatestExponent >= from.greatestExponent
  );
}

type EncodingKind = "float" | "integer" | "quantized";

function kindOf(encoding: string): EncodingKind {
  if (encoding in FLOATS) return "float";
  return encoding in INTEGERS ? "integer" : "quantized";
}

/** True for F64, F32, F16, BF16 and the 8-bit floats: one number per weight, no scale. */
export function isFloatEncoding(encoding: string): boolean {
  return kindOf(encoding) === "float";
}

/** True for encodings whose weights share scales: all ggml block types but the plain numbers, and all packed weights. */
export function isQuantizedEncoding(encoding: string): boolean {
  return kindOf(encoding) === "quantized";
}

/** True for integers that are no weights: masks, position ids. */
export function isIntegerEncoding(encoding: string): boolean {
  return kindOf(encoding) === "integer";
}

/** How the rows of the target come from the rows of the source. */
export interface RowMapping {
  /** Each target row is one whole source row, in any order: nothing is computed. */
  readonly wholeRows: boolean;
  /** A map such as "add-one" is applied to the values, in f32. */
  readonly mapped: boolean;
  /** The values are multiplied by a number in another tensor, in f32. */
  readonly scaled?: boolean;
}

export const plainRows: RowMapping = { wholeRows: true, mapped: false };

/** The answers by [kind of source][kind of target] where the encodings differ and the target does not hold the source. */
const NARROWING: Readonly<Record<EncodingKind, Readonly<Record<EncodingKind, Fidelity | undefined>>>> = {
  float: { float: "rounded", integer: undefined, quantized: "requantized" },
  integer: { float: "rounded", integer: undefined, quantized: "requantized" },
  quantized: { float: "float", integer: undefined, quantized: "requantized" },
};

/**
 * The fidelity of one tensor's way. A quantized weight's value is by definition an f32 number (scale times code,
 * rounded once), so F32 and F64 hold it exactly; the rows of a block type are independent of each other, so rows in
 * another order are still the same bytes.
 * @throws ConversionError from anything to an integer type (integers are only ever copied).
 */
export function fidelityOf(
  from: string,
  to: string,
  mapping: RowMapping = plainRows,
  tensor?: string,
): Fidelity {
  const source = kindOf(from);
  const target = kindOf(to);
  if (from === to && !mapping.mapped && (mapping.wholeRows || source !== "quantized")) {
    return mapping.wholeRows ? "copy" : "exact";
  }
  const fallback = NARROWING[source][target];
  if (fallback === undefined) {
    throw new ConversionError(`No conversion from ${from} to ${to}: integer tensors can only be copied.`, {
      tensor,
    });
  }
  if (target === "quantized") return "requantized";
  if (mapping.mapped) return source === "quantized" ? "float" : "rounded";
  const own = mapping.scaled === true ? undefined : (FLOATS[from] ?? INTEGERS[from] ?? QUANTIZED[from]);
  const fromRange = own ?? FLOATS["F32"];
  const toRange = FLOATS[to];
  if (fromRange !== undefined && toRange !== undefined && holds(toRange, fromRange)) return "exact";
  return fallback;
}

/** Counts per fidelity, all five present. */
export function countFidelities(
  tensors: readonly { readonly fidelity: Fidelity }[],
): Record<Fidelity, number> {
  const counts: Record<Fidelity, number> = { copy: 0, exact: 0, rounded: 0, requantized: 0, float: 0 };
  for (const { fidelity } of tensors) counts[fidelity] += 1;
  return counts;
}
