/** The SIMD twin of `interleave.ts`: some fours of rows at a time. */
import { kernelAddress, rectangle, SCRATCH_BYTE_LENGTH } from "@requant/core/kernels";
import * as reference from "../interleave.ts";
import { INTERLEAVED_COLUMNS, INTERLEAVED_ROWS } from "../interleave.ts";
import { awqKernels } from "./awq-kernels.ts";

/** Codes of rows `[rowStart, rowEnd)` to `codes[(row − rowStart) × columns + column]`. */
export function unpackInterleaved(
  words: Uint16Array,
  columns: number,
  rowStart: number,
  rowEnd: number,
  codes: Uint8Array,
): void {
  const rows = { start: rowStart, end: rowEnd };
  if (inKernel("unpackInterleaved", words, columns, rows, codes) !== undefined) return;
  reference.unpackInterleaved(words, columns, rowStart, rowEnd, codes);
}

/** The reverse. @throws UsageError for a code above 15 */
export function packInterleaved(
  codes: Uint8Array,
  columns: number,
  rowStart: number,
  rowEnd: number,
  words: Uint16Array,
): void {
  const seen = inKernel("packInterleaved", words, columns, { start: rowStart, end: rowEnd }, codes);
  // the reference finds and names a code that is too large
  if (seen === undefined || seen > 15) reference.packInterleaved(codes, columns, rowStart, rowEnd, words);
}

/** @returns the bits that occur in any code that was packed; undefined where there is no kernel */
function inKernel(
  name: "packInterleaved" | "unpackInterleaved",
  words: Uint16Array,
  columns: number,
  { start, end }: { readonly start: number; readonly end: number },
  codes: Uint8Array,
): number | undefined {
  const kernel = awqKernels.kernel(name);
  if (kernel === undefined || columns % INTERLEAVED_COLUMNS !== 0 || columns === 0) return undefined;
  const isInside = kernelAddress(words) !== undefined && kernelAddress(codes) !== undefined;
  const most = isInside ? end - start + INTERLEAVED_ROWS : SCRATCH_BYTE_LENGTH / columns;
  const step = INTERLEAVED_ROWS * Math.floor(most / INTERLEAVED_ROWS);
  if (step === 0) return undefined;
  const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  let seen = 0;
  for (let row = start - (start % INTERLEAVED_ROWS); row < end; row += step) {
    const [first, last] = [Math.max(start, row), Math.min(end, row + step)];
    const fours = Math.ceil((last - row) / INTERLEAVED_ROWS);
    // two bytes for each column of four rows
    const from = (2 * columns * row) / INTERLEAVED_ROWS;
    const w = rectangle(bytes, { start: from, step: 0, lines: 1, length: 2 * columns * fours }, 0);
    const codeStart = (first - start) * columns;
    const length = (last - first) * columns;
    const c = rectangle(codes, { start: codeStart, step: 0, lines: 1, length }, 1);
    // the words of other rows stay as they are
    w.load();
    if (name === "packInterleaved") c.load();
    seen |= kernel(w.address, c.address, columns, first - row, last - row);
    (name === "packInterleaved" ? w : c).save();
  }
  return seen;
}
