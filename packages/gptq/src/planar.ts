import { UsageError } from "@requant/core";
import { type FieldPiece, type FieldTable, streamFields } from "@requant/core/bits";

/**
 * Bit planes of `checkpoint_format: "gptq_p"`, low bits first. 32 codes of b bits take b words; a plane of width w takes
 * w of them, word i holding codes `i × 32 / w` on, each at shift `w × j`:
 *
 *   5 bits   words 0–3  bits 0–3 of codes 0–7, 8–15, 16–23, 24–31     word 4  bit 4 of all 32 codes
 *
 * Source: GPTQModel, nn_modules/qlinear, class PackableQuantLinear.
 */
const PLANES: Readonly<Record<number, readonly number[]>> = {
  3: [2, 1],
  5: [4, 1],
  6: [4, 2],
  7: [4, 2, 1],
};

/** Where the bits of planar codes are; widths that divide 32 have one plane, which is the plain stream. */
export function planarFields(bitWidth: number): FieldTable {
  const planes = PLANES[bitWidth];
  if (planes === undefined) {
    if (bitWidth === 2 || bitWidth === 4 || bitWidth === 8) return streamFields(bitWidth);
    throw new UsageError(`Bit planes of ${bitWidth} bits do not exist; 2 to 8 do.`);
  }
  const pieces: FieldPiece[] = [];
  let firstWord = 0;
  let left = 0;
  for (const width of planes) {
    const perWord = 32 / width;
    for (let field = 0; field < 32; field++) {
      const word = firstWord + Math.floor(field / perWord);
      pieces.push({ field, word, shift: width * (field % perWord), width, left });
    }
    firstWord += width;
    left += width;
  }
  return { bitWidth, wordBitWidth: 32, wordsPerRun: bitWidth, pieces };
}
