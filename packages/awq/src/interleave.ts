import { UsageError } from "@requant/core";

/**
 * The packing of AutoAWQ's GEMV_FAST and of llm-awq: 16-bit words [N / 4, K], four rows of W by 64 columns in 64 words.
 * Code of row n, column k = 64a + 32h + 8x + 2y + t (x, y in 0–3, t, h in 0–1):
 *
 *   word    [n / 4][64a + 16 × (n mod 4) + j / 4]   j = 32h + 8y + 4t + x
 *   nibble  j mod 4 = x
 *
 * Source: llm-awq, quantize/qmodule.py (pack_intweight).
 */
export const INTERLEAVED_ROWS = 4;
export const INTERLEAVED_COLUMNS = 64;

/** Codes of rows `[rowStart, rowEnd)` to `codes[(row − rowStart) × columns + column]`. */
export function unpackInterleaved(
  words: Uint16Array,
  columns: number,
  rowStart: number,
  rowEnd: number,
  codes: Uint8Array,
): void {
  for (let row = rowStart, to = 0; row < rowEnd; row++, to += columns) {
    const line = (row >> 2) * columns + 16 * (row & 3);
    for (let block = 0; block < columns; block += 64) {
      for (let w = 0; w < 16; w++) {
        let bits = words[line + block + w]!;
        const column = to + block + columnOf(w);
        for (let x = 0; x < 4; x++, bits >>>= 4) codes[column + 8 * x] = bits & 15;
      }
    }
  }
}

/** The reverse. @throws UsageError for a code above 15 */
export function packInterleaved(
  codes: Uint8Array,
  columns: number,
  rowStart: number,
  rowEnd: number,
  words: Uint16Array,
): void {
  for (let row = rowStart, from = 0; row < rowEnd; row++, from += columns) {
    const line = (row >> 2) * columns + 16 * (row & 3);
    for (let block = 0; block < columns; block += 64) {
      for (let w = 0; w < 16; w++) {
        const column = from + block + columnOf(w);
        let bits = 0;
        for (let x = 0; x < 4; x++) {
          const code = codes[column + 8 * x]!;
          if (code > 15) throw new UsageError(`Code ${code} does not fit 4 bits.`);
          bits |= code << (4 * x);
        }
        words[line + block + w] = bits;
      }
    }
  }
}

/** Column within its 64 of nibble 0 of word w: w = 8h + 2y + t. */
function columnOf(w: number): number {
  return 32 * (w >> 3) + 2 * ((w >> 1) & 3) + (w & 1);
}
