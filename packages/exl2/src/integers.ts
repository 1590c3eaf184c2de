import { type ErrorPlace, floatToHalf, halfToFloat, UsageError } from "@requant/core";
import { packFields, unpackFields } from "@requant/core/bits";
import { allocateParts, type PartBytes, readWords, writeWords } from "@requant/core/format";
import { type Exl2Layout, exl2Codec, exl2Groups, fieldsOf } from "./codec.ts";
import { layOutGroups } from "./groups.ts";
import { readPermutation } from "./permutation.ts";

/**
 * All numbers that an EXL2 weight stores, as integers and without any arithmetic: `packExl2` writes them and `unpackExl2`
 * reads them.
 */
export interface Exl2Integers {
  /** Rows of W (out features). */
  readonly rows: number;
  /** Groups of stored rows, in order: widths must not rise. Rows are columns of W. */
  readonly groups: readonly { readonly bits: number; readonly rows: number }[];
  /** Column k of W is stored row `invperm[k]`. */
  readonly invperm: Int32Array;
  /** `codes[row × columns + stored row]`. */
  readonly codes: Uint8Array;
  /** S − 1: `nibbles[group × rows + row]`, 0 to 15. */
  readonly nibbles: Uint8Array;
  /** f16 values, one per group. */
  readonly maxScales: Float32Array;
}

/**
 * The integers of stored parts.
 * @throws FormatError for parts that contradict each other
 */
export function unpackExl2(layout: Exl2Layout, bytes: PartBytes, place?: ErrorPlace): Exl2Integers {
  const { rows, columns, storedRows, groupCount } = layout;
  // checks every part, its length included
  exl2Codec.open(layout, bytes, place);
  const groups = exl2Groups(layout, bytes, place);
  const part = (suffix: string): Uint8Array => bytes[suffix] ?? new Uint8Array(0);
  const words = readWords(part("q_weight"), 32);
  const codes = new Uint8Array(rows * columns);
  for (const { bits, wordStart, start, end } of groups) {
    unpackFields(
      fieldsOf(bits),
      words,
      weightStreams(rows, columns, storedRows, wordStart, start, end),
      codes,
    );
  }
  const nibbles = new Uint8Array(groupCount * rows);
  unpackFields(
    fieldsOf(4),
    readWords(part("q_scale"), 32),
    scaleStreams(groupCount, rows, storedRows),
    nibbles,
  );
  const maxScales = Float32Array.from(readWords(part("q_scale_max"), 16), halfToFloat);
  const stored = readPermutation(readWords(part(layout.permutation), 32), place);
  const invperm =
    layout.permutation === "q_invperm"
      ? stored
      : Int32Array.from({ length: columns }, (_, column) => stored.indexOf(column));
  return {
    rows,
    groups: groups.map(({ bits, start, end }) => ({ bits, rows: end - start })),
    invperm,
    codes,
    nibbles,
    maxScales,
  };
}

/** The parts of a weight. Out features are padded to a multiple of 32 with the code for 0 and S − 1 = 15, as exllamav2 does. */
export function packExl2(integers: Exl2Integers): { layout: Exl2Layout; bytes: Record<string, Uint8Array> } {
  const { rows, groups, invperm, codes } = integers;
  const columns = invperm.length;
  const held = groups.reduce((sum, group) => sum + group.rows, 0);
  if (held !== columns || codes.length !== rows * columns) {
    throw new UsageError(`The groups hold ${held} of ${columns} columns, for ${codes.length} codes.`);
  }
  const { layout, bytes, packCodes, finish } = exl2Packer(rows, columns, groups);
  let start = 0;
  groups.forEach(({ rows: size }, group) => {
    packCodes(group, codes, { rowStart: 0, rows, from: start, step: columns });
    start += size;
  });
  finish(integers);
  return { layout, bytes };
}

/** Where the codes of some rows of one group are: code i of row r is number `from + r × step + i`. */
export interface CodeRows {
  /** The first row of W. */
  readonly rowStart: number;
  readonly rows: number;
  readonly from: number;
  readonly step: number;
}

/** Writes the parts of a weight: the codes in any order, then all else. */
export interface Exl2Packer {
  readonly layout: Exl2Layout;
  readonly bytes: Record<string, Uint8Array>;
  packCodes(group: number, codes: Uint8Array, at: CodeRows): void;
  finish(numbers: Pick<Exl2Integers, "invperm" | "nibbles" | "maxScales">): void;
}

/** @throws UsageError for groups that do not fill whole words, or whose widths rise */
export function exl2Packer(rows: number, columns: number, sizes: Exl2Integers["groups"]): Exl2Packer {
  const storedRows = Math.ceil(rows / 32) * 32;
  const { groups, wordRows } = layOutGroups(sizes);
  const groupCount = groups.length;
  groups.forEach(({ bits, wordStart, start, end }, group) => {
    const whole = Number.isInteger(wordStart) && Number.isInteger(((end - start) * bits) / 32);
    if (!whole || bits > (groups[group - 1]?.bits ?? 8)) {
      throw new UsageError(
        `Group ${group} has ${end - start} rows of ${bits} bits: rows must fill whole words, and widths must not rise.`,
      );
    }
  });
  const layout: Exl2Layout = { rows, columns, storedRows, groupCount, wordRows, permutation: "q_invperm" };
  const bytes = allocateParts(exl2Codec.parts(layout));
  const part = (suffix: string): Uint8Array => bytes[suffix] ?? new Uint8Array(0);
  const words = writeWords(part("q_weight"), 32);
  function packCodes(
    group: number,
    codes: Uint8Array,
    { rowStart, rows: count, from, step }: CodeRows,
  ): void {
    const { bits, wordStart, start, end } = groups[group]!;
    const at = weightStreams(count, step, storedRows, wordStart, from, from + end - start);
    packFields(fieldsOf(bits), codes, { ...at, wordStart: at.wordStart + rowStart }, words);
  }
  return {
    layout,
    bytes,
    packCodes,
    finish({ invperm, nibbles, maxScales }) {
      const padding = storedRows - rows;
      for (const [group, { bits, start, end }] of groups.entries()) {
        const zero = new Uint8Array(padding * (end - start)).fill(2 ** (bits - 1));
        packCodes(group, zero, { rowStart: rows, rows: padding, from: 0, step: end - start });
      }
      const padded = new Uint8Array(groupCount * storedRows).fill(15);
      for (let group = 0; group < groupCount; group++) {
        padded.set(nibbles.subarray(group * rows, (group + 1) * rows), group * storedRows);
      }
      packFields(
        fieldsOf(4),
        padded,
        scaleStreams(groupCount, storedRows, storedRows),
        writeWords(part("q_scale"), 32),
      );
      writeWords(part("q_scale_max"), 16).set(Array.from(maxScales, floatToHalf));
      writeWords(part("q_groups"), 16).set(groups.flatMap(({ bits, wordStart }) => [bits, wordStart]));
      writeWords(part("q_invperm"), 32).set(invperm);
    },
  };
}

/** One stream per row of W, down its column of words, in the rows of words of one group. */
function weightStreams(
  rows: number,
  columns: number,
  storedRows: number,
  wordStart: number,
  start: number,
  end: number,
): Parameters<typeof unpackFields>[2] {
  return {
    streams: rows,
    fields: end - start,
    wordStart: wordStart * storedRows,
    wordStep: storedRows,
    streamStep: 1,
    fieldStart: start,
    fieldStep: columns,
  };
}

/** One stream per group, along its row of words. */
function scaleStreams(
  groupCount: number,
  rows: number,
  storedRows: number,
): Parameters<typeof unpackFields>[2] {
  return {
    streams: groupCount,
    fields: rows,
    wordStart: 0,
    wordStep: 1,
    streamStep: storedRows / 8,
    fieldStart: 0,
    fieldStep: rows,
  };
}
