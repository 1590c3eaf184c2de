/** Codes, zero points and other integers to the words of the parts of a packed weight. */
import { type FieldStreams, packFields, streamFields } from "@requant/core/bits";
import { writeWords } from "@requant/core/format";
import type { IntegerView } from "@requant/core/view";
import { type CompressedTensorsLayout, wordCount } from "./layout.ts";
import { packLoose } from "./words.ts";

/** One stream per row; `columnStart` is a multiple of 32, where words begin anew. */
export function rowStreams(
  columns: number,
  bits: number,
  rowStart: number,
  rowEnd: number,
  columnStart = 0,
  columnEnd: number = columns,
): FieldStreams {
  const width = Math.ceil((columns * bits) / 32);
  return {
    streams: rowEnd - rowStart,
    fields: columnEnd - columnStart,
    wordStart: rowStart * width + (columnStart * bits) / 32,
    wordStep: 1,
    streamStep: width,
    fieldStart: 0,
    fieldStep: columnEnd - columnStart,
  };
}

/** One stream per group, down its column; `rowStart` is a multiple of 32, where words begin anew. */
export function zeroStreams(
  { bits, groupCount }: CompressedTensorsLayout,
  rowStart: number,
  rows: number,
): FieldStreams {
  return {
    streams: groupCount,
    fields: rows,
    wordStart: ((rowStart * bits) / 32) * groupCount,
    wordStep: groupCount,
    streamStep: 1,
    fieldStart: 0,
    fieldStep: rows,
  };
}

/** The codes of a band of rows. */
export function writeCodes(
  layout: CompressedTensorsLayout,
  { rows, codes }: IntegerView,
  rowStart: number,
  words: Uint32Array,
): void {
  const { bits, columns } = layout;
  if (layout.packing !== "loose") {
    packFields(streamFields(bits), codes, rowStreams(columns, bits, rowStart, rowStart + rows), words);
    return;
  }
  const step = wordCount(layout, columns);
  for (let row = 0; row < rows; row++) {
    const stream = { bits, wordStart: (rowStart + row) * step, wordStep: 1 };
    packLoose(codes, stream, row * columns, columns, words);
  }
}

/** The zero points of a band of rows. */
export function writeZeros(
  layout: CompressedTensorsLayout,
  { rows, zeros }: IntegerView,
  rowStart: number,
  bytes: Uint8Array,
): void {
  const { bits, groupCount } = layout;
  if (layout.zeros === "I8") {
    const middle = 2 ** (bits - 1);
    for (let i = 0; i < zeros.length; i++) bytes[rowStart * groupCount + i] = zeros[i]! - middle;
    return;
  }
  const words = writeWords(bytes, 32);
  const fields = new Uint8Array(rows * groupCount);
  for (let row = 0, from = 0; row < rows; row++) {
    for (let group = 0; group < groupCount; group++, from++) fields[group * rows + row] = zeros[from]!;
  }
  if (layout.packing !== "loose") {
    packFields(streamFields(bits), fields, zeroStreams(layout, rowStart, rows), words);
    return;
  }
  const firstWord = (rowStart / Math.floor(32 / bits)) * groupCount;
  for (let group = 0; group < groupCount; group++) {
    packLoose(
      fields,
      { bits, wordStart: firstWord + group, wordStep: groupCount },
      group * rows,
      rows,
      words,
    );
  }
}

/** Integers of 32 or 64 bits; none is negative. */
export function writeIntegers(values: Uint32Array, encoding: "I32" | "I64", bytes: Uint8Array): void {
  const words = writeWords(bytes, 32);
  const step = encoding === "I64" ? 2 : 1;
  for (let i = 0; i < values.length; i++) words[step * i] = values[i]!;
}
