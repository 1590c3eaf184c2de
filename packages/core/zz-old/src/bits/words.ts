import { UsageError } from "../errors.ts";

/**
 * A matrix of k-bit fields in 32-bit words, as GPTQ and EXL2 store codes (qweight down columns, qzeros along rows).
 *
 * Each row (or column) is one stream of bits, least significant first: field f is bits [f·k, f·k + k) of the stream,
 * and bit b of the stream is bit b % 32 of its word b / 32. Where k does not divide 32, fields straddle words:
 *
 *   k = 3, word 0   bits 0–2 field 0, 3–5 field 1, … 27–29 field 9, 30–31 the low two bits of field 10
 *           word 1   bit 0 the high bit of field 10, 1–3 field 11, …
 *
 * Every stream begins at a new word; spare bits of its last word are written as 0.
 */
export interface WordLayout {
  /** Bits per field: 1 to 8, or 16. */
  readonly bitWidth: number;
  /** Rows of the matrix of fields. */
  readonly rows: number;
  /** Columns of the matrix of fields. */
  readonly columns: number;
  /**
   * "row": the stream of row r is words `[r × n, (r + 1) × n)`, n words per row.
   * "column": the stream of column c is word c of each row of words, `columns` words per row.
   */
  readonly along: "row" | "column";
}

/** How many 32-bit words a layout takes. @throws UsageError */
export function wordCount(layout: WordLayout): number {
  const { rows, columns, along, bitWidth } = layout;
  checkLayout(layout);
  return along === "row" ? rows * streamWords(columns, bitWidth) : columns * streamWords(rows, bitWidth);
}

/**
 * Words to fields, row-major: `fields[r × columns + c]`. Signed and unsigned words read alike.
 * @throws UsageError when a length does not fit the layout
 */
export function unpackWords(
  words: Int32Array | Uint32Array,
  layout: WordLayout,
  fields: Uint8Array | Uint16Array,
): void {
  checkLengths(words, layout, fields);
  const { bitWidth, rows, columns, along } = layout;
  const mask = 2 ** bitWidth - 1;
  if (along === "row") {
    const rowWords = streamWords(columns, bitWidth);
    for (let row = 0, at = 0; row < rows; row++) {
      let word = row * rowWords;
      let shift = 0;
      for (let column = 0; column < columns; column++, at++) {
        let field = words[word]! >>> shift;
        const end = shift + bitWidth;
        if (end > 32) field |= words[word + 1]! << (32 - shift);
        fields[at] = field & mask;
        if (end >= 32) word++;
        shift = end & 31;
      }
    }
    return;
  }
  // all columns at once: word and shift are the same for a whole row of fields, and memory is walked in order
  for (let row = 0, at = 0, word = 0, shift = 0; row < rows; row++) {
    const end = shift + bitWidth;
    if (end > 32) {
      const next = word + columns;
      for (let column = 0; column < columns; column++, at++) {
        fields[at] = ((words[word + column]! >>> shift) | (words[next + column]! << (32 - shift))) & mask;
      }
    } else {
      for (let column = 0; column < columns; column++, at++)
        fields[at] = (words[word + column]! >>> shift) & mask;
    }
    if (end >= 32) word += columns;
    shift = end & 31;
  }
}

/**
 * Fields, row-major, to words.
 * @throws UsageError when a length does not fit the layout, or a field its bits (nothing is cut off in silence)
 */
export function packWords(
  fields: Uint8Array | Uint16Array,
  layout: WordLayout,
  words: Int32Array | Uint32Array,
): void {
  checkLengths(words, layout, fields);
  const { bitWidth, rows, columns, along } = layout;
  const mask = 2 ** bitWidth - 1;
  for (let i = 0; i < fields.length; i++) {
    if (fields[i]! > mask) {
      throw new UsageError(`Field ${i} is ${fields[i]}, more than ${bitWidth} bits hold.`);
    }
  }
  words.fill(0);
  const streams = along === "row" ? rows : columns;
  const length = along === "row" ? columns : rows;
  const fieldStep = along === "row" ? 1 : columns;
  const wordStep = along === "row" ? 1 : columns;
  const rowWords = streamWords(columns, bitWidth);
  for (let stream = 0; stream < streams; stream++) {
    let at = along === "row" ? stream * columns : stream;
    let word = along === "row" ? stream * rowWords : stream;
    let shift = 0;
    for (let i = 0; i < length; i++, at += fieldStep) {
      const field = fields[at]!;
      const end = shift + bitWidth;
      words[word] = words[word]! | (field << shift);
      if (end > 32) words[word + wordStep] = field >>> (32 - shift);
      if (end >= 32) word += wordStep;
      shift = end & 31;
    }
  }
}

function streamWords(fieldCount: number, bitWidth: number): number {
  return Math.ceil((fieldCount * bitWidth) / 32);
}

function checkLayout(layout: WordLayout): void {
  const { bitWidth, rows, columns } = layout;
  if (!(Number.isInteger(bitWidth) && ((bitWidth >= 1 && bitWidth <= 8) || bitWidth === 16))) {
    throw new UsageError(`A field of ${bitWidth} bits cannot be packed: 1 to 8 and 16 can.`);
  }
  if (!(Number.isSafeInteger(rows) && rows >= 0 && Number.isSafeInteger(columns) && columns >= 0)) {
    throw new UsageError(`${rows} × ${columns} is not the shape of a matrix.`);
  }
}

function checkLengths(
  words: Int32Array | Uint32Array,
  layout: WordLayout,
  fields: Uint8Array | Uint16Array,
): void {
  const expected = wordCount(layout);
  const { rows, columns, bitWidth } = layout;
  if (words.length !== expected) {
    throw new UsageError(
      `${rows} × ${columns} fields of ${bitWidth} bits take ${expected} words, ${words.length} were given.`,
    );
  }
  if (fields.length !== rows * columns) {
    throw new UsageError(`${rows} × ${columns} fields do not fit an array of ${fields.length}.`);
  }
  if (bitWidth > 8 && fields.BYTES_PER_ELEMENT === 1) {
    throw new UsageError(`Fields of ${bitWidth} bits need a Uint16Array.`);
  }
}
