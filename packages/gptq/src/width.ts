/** How many bits a code has, which no part says outright. */
import { type ErrorPlace, FormatError } from "@requant/core";
import type { LinearPart } from "@requant/core/format";

/** From the words of a row of zero points. @throws FormatError for a width that does not exist */
export function bitsOfZeros(zeroWords: number, wordBits: number, rows: number, place: ErrorPlace): number {
  const bits = (zeroWords * wordBits) / rows;
  if (Number.isInteger(bits) && bits >= 2 && bits <= 8) return bits;
  throw new FormatError(
    `The part qzeros has ${zeroWords} words for ${rows} out features, which is ${bits} bits each; 2 to 8 exist.`,
    place,
  );
}

/** Of a weight without zero points, which has to be symmetric. @throws FormatError where it is not, or nothing tells */
export function bitsWithoutZeros(
  { sym, bits }: { readonly sym: boolean; readonly bits?: number | undefined },
  bitsPerRow: number,
  groupIndex: LinearPart | undefined,
  place: ErrorPlace,
): number {
  if (!sym) {
    throw new FormatError(
      "The zero points (qzeros) are missing or empty, and the configuration says that the weights are asymmetric.",
      { ...place, hint: "Take the tensors and the configuration from the original model." },
    );
  }
  const columns = groupIndex?.shape[0];
  const found = columns === undefined || columns === 0 ? bits : bitsPerRow / columns;
  if (found !== undefined && Number.isInteger(found) && found >= 2 && found <= 8) return found;
  throw new FormatError(
    "The zero points (qzeros) are missing or empty, and nothing else tells how many bits a code has.",
    { ...place, hint: "Take the quantization configuration from the original model." },
  );
}
