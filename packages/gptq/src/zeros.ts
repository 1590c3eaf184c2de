/**
 * Zero points of GPTQ, which tools store in different ways. `checkpoint_format` "gptq" (v1, or none at all) stores z − 1,
 * "gptq_v2" and "gptq_p" store z. Where z is 0, v1 would have to store −1, and tools differ:
 *
 *   AutoGPTQ     or-s 0xFFFFFFFF into the word: the field and all above it are lost
 *   GPTQModel    2, 4, 8 bits: subtracts 0x11111111 (0x55555555, 0x01010101) from the whole word, borrowing from the
 *                next field; 3 and 5 to 7 bits: each field modulo 2^b. Its own reader undoes both exactly.
 *   exllamav2, AutoGPTQ when reading: field + 1 without wrapping, so an all-ones field means z = 2^b
 *
 * Where no field is all ones, all tools agree. Sources: AutoGPTQ, qlinear_cuda; GPTQModel, utils/model.py; exllamav2,
 * q_matrix.cu.
 */
import { UsageError } from "@requant/core";
import { type FieldTable, fieldWordCount, packFields, unpackFields, type Words } from "@requant/core/bits";

/**
 * How a stored field becomes a zero point: "stored" as it is (v2); "minus-one": field + 1, up to 2^b; "minus-one-word":
 * a one added to each field of a word in one addition; "minus-one-wrapped": field + 1 modulo 2^b.
 */
export type ZeroStorage = "stored" | "minus-one" | "minus-one-word" | "minus-one-wrapped";

/** How the tool that wrote a file stored the zero points. `quantizer` is `meta.quantizer` of the configuration. */
export function zeroStorageOf(
  checkpointFormat: string,
  bits: number,
  quantizer: readonly string[],
): ZeroStorage {
  if (checkpointFormat === "gptq_v2" || checkpointFormat === "gptq_p") return "stored";
  if (!quantizer.some((name) => /^gptqmodel\b/i.test(name))) return "minus-one";
  return bits === 2 || bits === 4 || bits === 8 ? "minus-one-word" : "minus-one-wrapped";
}

/** The range of zero points that a storage can hold and that all readers read alike. */
export function zeroRange(storage: ZeroStorage, bits: number): { min: number; max: number } {
  return { min: storage === "minus-one" ? 1 : 0, max: 2 ** bits - 1 };
}

/**
 * The words of `qzeros`, `groups` rows of the packed fields of `count` out features, to zero points
 * `zeros[group × count + feature]`.
 */
export function unpackZeros(
  table: FieldTable,
  storage: ZeroStorage,
  words: Words,
  groups: number,
  count: number,
): Int16Array {
  const zeros = new Int16Array(groups * count);
  const only = onlyZero(table, storage, words);
  if (only !== undefined) return zeros.fill(only);
  const wordCount = fieldWordCount(table, count);
  let stored = words.subarray(0, groups * wordCount);
  if (storage === "minus-one-word") {
    stored = stored.slice();
    const ones = onesOf(table);
    for (let i = 0; i < stored.length; i++) stored[i] = stored[i]! + ones;
  }
  const fields = new Uint8Array(groups * count);
  unpackFields(table, stored, rowStreams(groups, count, wordCount), fields);
  const ones = storage === "minus-one" || storage === "minus-one-wrapped" ? 1 : 0;
  // fields are below 2^8, so this mask changes nothing where fields do not wrap
  const mask = storage === "minus-one-wrapped" ? 2 ** table.bitWidth - 1 : 0xffff;
  for (let i = 0; i < zeros.length; i++) zeros[i] = (fields[i]! + ones) & mask;
  return zeros;
}

/** The zero point of all groups of all out features, where there is only one and all readers agree about it. */
export function onlyZero(table: FieldTable, storage: ZeroStorage, words: Words): number | undefined {
  const field = onlyField(table, words);
  if (field === undefined || storage === "stored") return field;
  return field + 1 < 2 ** table.bitWidth ? field + 1 : undefined;
}

/** The value of all fields of all words, where they are equal and fill the words to the last bit. */
function onlyField({ bitWidth, wordBitWidth }: FieldTable, words: Words): number | undefined {
  const first = words[0];
  if (first === undefined || wordBitWidth % bitWidth !== 0) return undefined;
  const field = first & (2 ** bitWidth - 1);
  let all = 0;
  for (let shift = 0; shift < wordBitWidth; shift += bitWidth) all += field * 2 ** shift;
  if (all !== first) return undefined;
  for (let i = 1; i < words.length; i++) if (words[i] !== first) return undefined;
  return field;
}

/**
 * The reverse, for whole runs of 32 fields or the end of a row. @throws UsageError for a zero point that cannot be stored
 */
export function packZeros(
  table: FieldTable,
  storage: ZeroStorage,
  zeros: Int16Array,
  words: Words,
  wordStart: number,
): void {
  const mask = 2 ** table.bitWidth - 1;
  const fields = new Uint8Array(zeros.length);
  for (let i = 0; i < zeros.length; i++) {
    const zero = zeros[i]!;
    const field =
      storage === "minus-one" ? zero - 1 : storage === "minus-one-wrapped" ? (zero - 1) & mask : zero;
    if (field < 0 || field > mask) {
      throw new UsageError(
        `The zero point ${zero} cannot be stored in ${table.bitWidth} bits as "${storage}".`,
      );
    }
    fields[i] = field;
  }
  const row = words.subarray(wordStart, wordStart + fieldWordCount(table, zeros.length));
  packFields(table, fields, oneStream(zeros.length), row);
  if (storage !== "minus-one-word") return;
  const ones = onesOf(table);
  for (let i = 0; i < row.length; i++) row[i] = row[i]! - ones;
}

/** A one in each field of a word. */
function onesOf({ bitWidth, wordBitWidth }: FieldTable): number {
  let ones = 0;
  for (let shift = 0; shift < wordBitWidth; shift += bitWidth) ones += 2 ** shift;
  return ones;
}

/** Streams of `count` fields, one for each row of words. */
function rowStreams(rows: number, count: number, wordCount: number): Parameters<typeof unpackFields>[2] {
  return {
    streams: rows,
    fields: count,
    wordStart: 0,
    wordStep: 1,
    streamStep: wordCount,
    fieldStart: 0,
    fieldStep: count,
  };
}

function oneStream(count: number): Parameters<typeof unpackFields>[2] {
  return { streams: 1, fields: count, wordStart: 0, wordStep: 1, streamStep: 0, fieldStart: 0, fieldStep: 0 };
}

/** What the stored fields show about the convention. */
export interface ZeroFacts {
  /** "v1" or "v2" when every field is the symmetric zero point of that convention; undefined when both are possible. */
  readonly convention: "v1" | "v2" | undefined;
  /** Number of fields of all ones, which v1 readers read differently. */
  readonly allOnes: number;
  readonly count: number;
}

/** Examines all fields of `qzeros`: `rows` rows of `count` fields each. */
export function findZeros(table: FieldTable, words: Words, rows: number, count: number): ZeroFacts {
  const mask = 2 ** table.bitWidth - 1;
  const middle = 2 ** (table.bitWidth - 1);
  const only = rows * count > 0 ? onlyField(table, words) : undefined;
  if (only !== undefined) {
    const convention = only === middle - 1 ? "v1" : only === middle ? "v2" : undefined;
    return { convention, allOnes: only === mask ? rows * count : 0, count: rows * count };
  }
  const fields = new Uint8Array(rows * count);
  const wordCount = fieldWordCount(table, count);
  unpackFields(table, words, rowStreams(rows, count, wordCount), fields);
  let allOnes = 0;
  let v1 = rows * count > 0;
  let v2 = v1;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    if (field === mask) allOnes++;
    if (field !== middle - 1) v1 = false;
    if (field !== middle) v2 = false;
  }
  return { convention: v1 ? "v1" : v2 ? "v2" : undefined, allOnes, count: rows * count };
}
