/** The SIMD twin of `bits/marlin.ts`: whole runs of 64 rows. */
import * as reference from "../bits/marlin.ts";
import { MARLIN_COLUMNS, MARLIN_ROWS } from "../bits/marlin.ts";
import { coreKernels } from "./core-kernels.ts";
import { kernelAddress, SCRATCH_BYTE_LENGTH } from "./memory.ts";
import { rectangle } from "./rectangle.ts";

/** Words of a run in each row of words. */
const RUN_WORDS = 128;

/** Codes of rows `[rowStart, rowEnd)` to `codes[(row − rowStart) × columns + column]`. */
export function unpackMarlin(
  words: Uint32Array,
  rows: number,
  columns: number,
  rowStart: number,
  rowEnd: number,
  codes: Uint8Array,
): void {
  const matrix = { words, rows, columns, codes, rowStart };
  const start = MARLIN_ROWS * Math.ceil(rowStart / MARLIN_ROWS);
  const end = MARLIN_ROWS * Math.floor(rowEnd / MARLIN_ROWS);
  if (start >= end || runs("unpackMarlin", matrix, start, end) === undefined) {
    reference.unpackMarlin(words, rows, columns, rowStart, rowEnd, codes);
    return;
  }
  if (rowStart < start) reference.unpackMarlin(words, rows, columns, rowStart, start, codes);
  if (end < rowEnd) {
    reference.unpackMarlin(words, rows, columns, end, rowEnd, codes.subarray((end - rowStart) * columns));
  }
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
  const isWhole = rowStart % MARLIN_ROWS === 0 && rowEnd % MARLIN_ROWS === 0;
  const matrix = { words, rows, columns, codes, rowStart };
  const seen = isWhole ? runs("packMarlin", matrix, rowStart, rowEnd) : undefined;
  // the reference finds and names a code that is too large
  if (seen === undefined || seen > 15) {
    reference.packMarlin(codes, rows, columns, rowStart, rowEnd, words);
  }
}

interface Matrix {
  readonly words: Uint32Array;
  readonly rows: number;
  readonly columns: number;
  readonly codes: Uint8Array;
  /** Row of the first code. */
  readonly rowStart: number;
}

/** Runs of rows `[start, end)`. @returns the bits that occur in any code that was packed; undefined where there is no kernel */
function runs(
  name: "packMarlin" | "unpackMarlin",
  { words, rows, columns, codes, rowStart }: Matrix,
  start: number,
  end: number,
): number | undefined {
  const kernel = coreKernels.kernel(name);
  if (kernel === undefined || reference.marlinShapeMisfit(rows, columns) !== undefined) return undefined;
  const packs = name === "packMarlin";
  const lines = columns / MARLIN_COLUMNS;
  const isInside = kernelAddress(words) !== undefined && kernelAddress(codes) !== undefined;
  const step = isInside ? lines : SCRATCH_BYTE_LENGTH / (MARLIN_ROWS * MARLIN_COLUMNS);
  let seen = 0;
  for (let row = start; row < end; row += MARLIN_ROWS) {
    for (let line = 0; line < lines; line += step) {
      const count = Math.min(step, lines - line);
      const first = line * 2 * rows + (row / MARLIN_ROWS) * RUN_WORDS;
      const from = (row - rowStart) * columns + line * MARLIN_COLUMNS;
      const w = rectangle(words, { start: first, step: 2 * rows, lines: count, length: RUN_WORDS }, 0);
      const length = MARLIN_COLUMNS * count;
      const c = rectangle(codes, { start: from, step: columns, lines: MARLIN_ROWS, length }, 1);
      (packs ? c : w).load();
      seen |= kernel(w.address, w.step, count, c.address, c.step);
      (packs ? w : c).save();
    }
  }
  return seen;
}
