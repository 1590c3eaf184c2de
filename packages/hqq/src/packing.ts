import { FormatError } from "@requant/core";

/** How codes are put into one number. */
export interface HqqPacking {
  readonly bits: number;
  readonly encoding: "U8" | "I32";
  /** Codes in a number. */
  readonly fields: number;
  /** How far the first code is shifted; each next one is shifted by `bits` less. */
  readonly firstShift: number;
}

/** Packings by the name that stands in the file. */
export const HQQ_PACKINGS: Readonly<Record<string, HqqPacking>> = {
  "8bit_u8": { bits: 8, encoding: "U8", fields: 1, firstShift: 0 },
  "4bit_u8": { bits: 4, encoding: "U8", fields: 2, firstShift: 4 },
  "3bit_32": { bits: 3, encoding: "I32", fields: 10, firstShift: 27 },
  "2bit_u8": { bits: 2, encoding: "U8", fields: 4, firstShift: 6 },
  "1bit_u8": { bits: 1, encoding: "U8", fields: 8, firstShift: 7 },
};

/** The packing of codes with so many bits. */
export function packingOf({ bits }: { readonly bits: number }): HqqPacking {
  const packing = Object.values(HQQ_PACKINGS).find((one) => one.bits === bits);
  if (packing === undefined) throw new FormatError(`HQQ has no codes of ${bits} bits.`);
  return packing;
}
