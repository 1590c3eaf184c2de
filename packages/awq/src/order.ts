import { UsageError } from "@requant/core";

/**
 * AWQ's GEMM packing: a word holds eight neighbouring out features of one column of W, in an order that suits the kernel:
 *
 *   bits      0–3  4–7  8–11  12–15  16–19  20–23  24–27  28–31
 *   feature    0    2    4     6      1      3      5      7
 *
 * Source: AutoAWQ, utils/packing_utils.py (AWQ_ORDER).
 */
export const SHIFTS: readonly number[] = [0, 16, 4, 20, 8, 24, 12, 28];

/** Words in this order: `lines` of `width` words each, of which the words of features `[start, end)` are used. */
export interface GemmWords {
  readonly words: Uint32Array;
  readonly lines: number;
  readonly width: number;
  readonly start: number;
  readonly end: number;
}

/** How many lines and features, from the first on, are already done. */
export interface GemmPart {
  readonly lines: number;
  readonly features: number;
}

const NOTHING: GemmPart = { lines: 0, features: 0 };

/** `words[k × width + c]` to codes of features `[start, end)`: `fields[(feature − start) × step + k]`. */
export function unpackGemm(gemm: GemmWords, fields: Uint8Array, step: number, done = NOTHING): void {
  const { words, lines, width, start, end } = gemm;
  for (let feature = start; feature < end; feature++) {
    const shift = SHIFTS[feature & 7]!;
    const to = (feature - start) * step;
    const first = feature - start < done.features ? done.lines : 0;
    for (let line = first, word = first * width + (feature >> 3); line < lines; line++, word += width) {
      fields[to + line] = (words[word]! >>> shift) & 15;
    }
  }
}

/** The reverse; `start` and `end` are multiples of 8. @throws UsageError for a code above 15 */
export function packGemm(gemm: GemmWords, fields: Uint8Array, step: number, done = NOTHING): void {
  const { words, lines, width, start, end } = gemm;
  for (let feature = start; feature < end; feature += 8) {
    const first = feature - start < done.features ? done.lines : 0;
    for (let line = first, word = first * width + (feature >> 3); line < lines; line++, word += width) {
      let bits = 0;
      for (let j = 0; j < 8; j++) {
        const field = fields[(feature - start + j) * step + line]!;
        if (field > 15) throw new UsageError(`Code ${field} does not fit 4 bits.`);
        bits |= field << SHIFTS[j]!;
      }
      words[word] = bits;
    }
  }
}
