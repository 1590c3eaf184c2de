/**
 * Marlin: 4-bit codes in the order in which a GPU's tensor cores take them (GPTQ and AWQ checkpoints of that name).
 *
 * Codes of W[rows n, columns k] are cut into tiles of 16 k by 16 n. Word row t holds tiles k = 16t … 16t + 15; each run
 * of 128 words in it, four neighbouring tiles (64 n). Word 32-bit lane × 4 + tile, nibble e holds
 *   k = 16t + 2 × (lane mod 4) + ⌊e / 4⌋ + 8 × (e mod 2)
 *   n = 64 run + 16 tile + ⌊lane / 4⌋ + 8 × (⌊e / 2⌋ mod 2)
 * The lane's place is given by the matrix fragment of `mma.m16n8k16`. Source: AutoGPTQ and AutoAWQ, class WQLinear_Marlin.
 */
import { UsageError } from "../errors.ts";

/** Rows of W per run of words. */
export const MARLIN_ROWS = 64;
/** Columns of W per row of words. */
export const MARLIN_COLUMNS = 16;

/** Codes of rows `[rowStart, rowEnd)` to `codes[(row − rowStart) × columns + column]`. */
export function unpackMarlin(
  words: Uint32Array,
  rows: number,
  columns: number,
  rowStart: number,
  rowEnd: number,
  codes: Uint8Array,
): void {
  checkShape(rows, columns);
  eachWord(rows, columns, rowStart, rowEnd, (word, n, k) => {
    const bits = words[word]!;
    for (let e = 0; e < 8; e++) {
      const row = n + 8 * ((e >> 1) & 1);
      if (row < rowStart || row >= rowEnd) continue;
      codes[(row - rowStart) * columns + k + (e >> 2) + 8 * (e & 1)] = (bits >>> (4 * e)) & 15;
    }
  });
}

/** Codes of rows from `rowStart` on, a multiple of 64, to their words. @throws UsageError for a code above 15 */
export function packMarlin(
  codes: Uint8Array,
  rows: number,
  columns: number,
  rowStart: number,
  rowEnd: number,
  words: Uint32Array,
): void {
  checkShape(rows, columns);
  if (rowStart % MARLIN_ROWS !== 0 || rowEnd % MARLIN_ROWS !== 0) {
    throw new UsageError(
      `Rows ${rowStart} to ${rowEnd} are not whole runs of ${MARLIN_ROWS} rows of Marlin.`,
    );
  }
  eachWord(rows, columns, rowStart, rowEnd, (word, n, k) => {
    let bits = 0;
    for (let e = 0; e < 8; e++) {
      const row = n + 8 * ((e >> 1) & 1) - rowStart;
      const code = codes[row * columns + k + (e >> 2) + 8 * (e & 1)]!;
      if (code > 15) throw new UsageError(`Code ${code} does not fit 4 bits.`);
      bits |= code << (4 * e);
    }
    words[word] = bits;
  });
}

/** Calls with each word that has rows of a band, and the row and column of its nibble 0. */
function eachWord(
  rows: number,
  columns: number,
  rowStart: number,
  rowEnd: number,
  visit: (word: number, row: number, column: number) => void,
): void {
  for (let tileRow = 0; tileRow < columns / MARLIN_COLUMNS; tileRow++) {
    for (let run = Math.floor(rowStart / MARLIN_ROWS); run * MARLIN_ROWS < rowEnd; run++) {
      const first = tileRow * 2 * rows + run * 128;
      for (let lane = 0; lane < 32; lane++) {
        for (let tile = 0; tile < 4; tile++) {
          visit(
            first + 4 * lane + tile,
            MARLIN_ROWS * run + 16 * tile + (lane >> 2),
            MARLIN_COLUMNS * tileRow + 2 * (lane & 3),
          );
        }
      }
    }
  }
}

/**
 * The row whose scale is stored at place `index` of a row of scales: gathered in 64s, or in 32s where each row of W has
 * one scale only.
 */
export function marlinScaleRow(index: number, oneGroup: boolean): number {
  if (oneGroup) {
    const m = index & 7;
    return (index & ~31) + 2 * ((index >> 3) & 3) + (m & 1) + 8 * (m >> 1);
  }
  return (index & ~63) + ((index >> 3) & 7) + 8 * (index & 7);
}

/** Why Marlin cannot store a weight of this shape; undefined when it can. */
export function marlinShapeMisfit(rows: number, columns: number): string | undefined {
  if (rows % MARLIN_ROWS === 0 && columns % MARLIN_COLUMNS === 0) return undefined;
  return `a weight of [${rows}, ${columns}] is not whole tiles of ${MARLIN_ROWS} rows by ${MARLIN_COLUMNS} columns, which Marlin is made of`;
}

function checkShape(rows: number, columns: number): void {
  const misfit = marlinShapeMisfit(rows, columns);
  if (misfit !== undefined) throw new UsageError(`Marlin: ${misfit}.`);
}
