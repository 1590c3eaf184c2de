import { UsageError } from "../errors.ts";
import type { FieldPiece, FieldStreams, FieldTable, Words } from "./field-table.ts";

/** Fields per run of a `FieldTable`. */
const RUN = 32;

/**
 * Fields one after another from the least significant bit on, straddling words where the width does not divide them
 * (bits/words.ts has the picture): GPTQ, EXL2 and compressed-tensors.
 */
export function streamFields(bitWidth: number, wordBitWidth: 32 | 16 | 8 = 32): FieldTable {
  if (!(Number.isInteger(bitWidth) && bitWidth >= 1 && bitWidth <= 8)) {
    throw new UsageError(`A field of ${bitWidth} bits cannot be packed: 1 to 8 can.`);
  }
  const pieces: FieldPiece[] = [];
  for (let field = 0; field < RUN; field++) {
    for (let bit = field * bitWidth, left = 0; left < bitWidth; ) {
      const shift = bit % wordBitWidth;
      const width = Math.min(bitWidth - left, wordBitWidth - shift);
      pieces.push({ field, word: (bit - shift) / wordBitWidth, shift, width, left });
      bit += width;
      left += width;
    }
  }
  return { bitWidth, wordBitWidth, wordsPerRun: (RUN * bitWidth) / wordBitWidth, pieces };
}

/** Words that `count` fields take in a stream of their own. */
export function fieldWordCount(table: FieldTable, count: number): number {
  return Math.ceil((count * table.bitWidth) / table.wordBitWidth);
}

/** Words to fields. Where the last run is incomplete, the pieces of its missing words are 0. */
export function unpackFields(table: FieldTable, words: Words, at: FieldStreams, fields: Uint8Array): void {
  checkFieldRange(table, words.length, at, fields.length);
  const { wordsPerRun, bitWidth, wordBitWidth } = table;
  const { streams, fields: count, wordStart, wordStep, streamStep, fieldStart, fieldStep } = at;
  const whole = isPlainStream(table);
  const perWord = wordBitWidth / bitWidth;
  const mask = 2 ** bitWidth - 1;
  const { field, word, shift, masks, left } = columnsOf(table);
  // all streams advance together: with one stream per column, memory is walked row of words by row of words
  for (let from = 0, run = 0; from < count; from += RUN, run++) {
    const end = Math.min(RUN, count - from);
    for (let stream = 0; stream < streams; stream++) {
      const source = wordStart + stream * streamStep + run * wordsPerRun * wordStep;
      const target = fieldStart + stream * fieldStep + from;
      if (whole) {
        for (let i = 0, w = source; i < end; w += wordStep) {
          let bits = words[w]!;
          for (const stop = Math.min(end, i + perWord); i < stop; i++) {
            fields[target + i] = bits & mask;
            bits >>>= bitWidth;
          }
        }
        continue;
      }
      fields.fill(0, target, target + end);
      for (let p = 0; p < field.length; p++) {
        const f = field[p]!;
        if (f >= end) continue;
        const bits = (words[source + word[p]! * wordStep]! >>> shift[p]!) & masks[p]!;
        fields[target + f] = fields[target + f]! | (bits << left[p]!);
      }
    }
  }
}

/**
 * Fields to words: every word of the streams is written, spare bits as 0.
 * @throws UsageError when a field does not fit its bits (nothing is cut off in silence)
 */
export function packFields(table: FieldTable, fields: Uint8Array, at: FieldStreams, words: Words): void {
  checkFieldRange(table, words.length, at, fields.length);
  const { wordsPerRun, bitWidth, wordBitWidth } = table;
  const { streams, fields: count, wordStart, wordStep, streamStep, fieldStart, fieldStep } = at;
  const { field, word, shift, masks, left } = columnsOf(table);
  const max = 2 ** bitWidth - 1;
  const whole = isPlainStream(table);
  const perWord = wordBitWidth / bitWidth;
  for (let from = 0, run = 0; from < count; from += RUN, run++) {
    const end = Math.min(RUN, count - from);
    const wordEnd = Math.min(wordsPerRun, fieldWordCount(table, end));
    for (let stream = 0; stream < streams; stream++) {
      const target = wordStart + stream * streamStep + run * wordsPerRun * wordStep;
      const source = fieldStart + stream * fieldStep + from;
      for (let i = 0; i < end; i++) {
        if (fields[source + i]! > max) {
          throw new UsageError(`Code ${fields[source + i]} does not fit ${bitWidth} bits.`);
        }
      }
      if (whole) {
        for (let w = 0, i = source; w < wordEnd; w++) {
          let bits = 0;
          const stop = Math.min(source + end, i + perWord);
          for (let shift = 0; i < stop; i++, shift += bitWidth) bits |= fields[i]! << shift;
          words[target + w * wordStep] = bits;
        }
        continue;
      }
      for (let w = 0; w < wordEnd; w++) words[target + w * wordStep] = 0;
      for (let p = 0; p < field.length; p++) {
        const f = field[p]!;
        if (f >= end) continue;
        const w = target + word[p]! * wordStep;
        words[w] = words[w]! | (((fields[source + f]! >>> left[p]!) & masks[p]!) << shift[p]!);
      }
    }
  }
}

interface PieceColumns {
  readonly field: Int32Array;
  readonly word: Int32Array;
  readonly shift: Int32Array;
  readonly masks: Int32Array;
  readonly left: Int32Array;
}

const columnsByTable: WeakMap<FieldTable, PieceColumns> = /* @__PURE__ */ new WeakMap();

/** The pieces as typed arrays, for the inner loops. */
function columnsOf(table: FieldTable): PieceColumns {
  let columns = columnsByTable.get(table);
  if (columns === undefined) {
    columns = {
      field: Int32Array.from(table.pieces, ({ field }) => field),
      word: Int32Array.from(table.pieces, ({ word }) => word),
      shift: Int32Array.from(table.pieces, ({ shift }) => shift),
      masks: Int32Array.from(table.pieces, ({ width }) => 2 ** width - 1),
      left: Int32Array.from(table.pieces, ({ left }) => left),
    };
    columnsByTable.set(table, columns);
  }
  return columns;
}

/** True for consecutive fields that never straddle two words. */
function isPlainStream({ pieces, bitWidth, wordBitWidth }: FieldTable): boolean {
  return (
    pieces.length === RUN &&
    pieces.every(({ field, word, shift }) => wordBitWidth * word + shift === bitWidth * field)
  );
}

/** @throws UsageError unless the streams lie within so many words and so many fields */
export function checkFieldRange(
  table: FieldTable,
  wordCount: number,
  at: FieldStreams,
  fieldCount: number,
): void {
  const { streams, fields, wordStart, wordStep, streamStep, fieldStart, fieldStep } = at;
  if (streams === 0 || fields === 0) return;
  const lastWord = wordStart + (streams - 1) * streamStep + (fieldWordCount(table, fields) - 1) * wordStep;
  const lastField = fieldStart + (streams - 1) * fieldStep + fields - 1;
  if (lastWord >= wordCount || lastField >= fieldCount) {
    throw new UsageError(
      `${streams} × ${fields} fields of ${table.bitWidth} bits reach word ${lastWord} of ${wordCount} and field ${lastField} of ${fieldCount}.`,
    );
  }
}
