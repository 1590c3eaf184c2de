import { type ErrorPlace, FormatError } from "@requant/core";

/** Bit widths that an EXL2 group can have. The groups of a weight must follow this order. */
export const EXL2_WIDTHS: readonly number[] = [8, 6, 5, 4, 3, 2];

/** One group of stored rows, which are columns of W in another order. */
export interface Exl2Group {
  readonly bits: number;
  /** First row of words in q_weight. */
  readonly wordStart: number;
  /** First stored row of the weight. */
  readonly start: number;
  readonly end: number;
}

/**
 * q_groups, `(bits, first row of q_weight)` per group, as groups: each group has the rows up to the next group, the last
 * one the rest of K. `wordRows` is the height of q_weight.
 * @throws FormatError when the groups do not add up to K columns and to the words of q_weight
 */
export function readGroups(
  stored: Uint16Array,
  columns: number,
  wordRows: number,
  place: ErrorPlace = {},
): Exl2Group[] {
  const groups: Exl2Group[] = [];
  const count = stored.length / 2;
  let start = 0;
  for (let group = 0; group < count; group++) {
    const bits = stored[2 * group]!;
    const wordStart = stored[2 * group + 1]!;
    const fail = (why: string): never => {
      throw new FormatError(
        `Group ${group} of q_groups (${bits} bits from word row ${wordStart}) ${why}.`,
        place,
      );
    };
    if (!EXL2_WIDTHS.includes(bits)) fail(`has a width that is none of ${EXL2_WIDTHS.join(", ")}`);
    const before = groups.at(-1);
    if (before !== undefined && bits > before.bits)
      fail(`is wider than the group before, which has ${before.bits} bits`);
    const last = group === count - 1;
    const wordEnd = last ? wordRows : stored[2 * group + 3]!;
    const expected =
      before === undefined ? 0 : before.wordStart + ((before.end - before.start) * before.bits) / 32;
    if (wordStart !== expected) fail(`does not begin where the group before ends, at word row ${expected}`);
    const end = last ? columns : start + ((wordEnd - wordStart) * 32) / bits;
    if (!Number.isInteger(end) || end <= start || end > columns) {
      fail(`would hold stored rows ${start} to ${end} of ${columns}`);
    }
    // streams begin at whole words, so a group's rows fill its words (groups of 2 bits may be 16 rows)
    if (((end - start) * bits) / 32 !== wordEnd - wordStart) {
      fail(`has ${wordEnd - wordStart} rows of words for ${end - start} rows`);
    }
    groups.push({ bits, wordStart, start, end });
    start = end;
  }
  if (start !== columns) {
    throw new FormatError(`The groups of q_groups cover ${start} of ${columns} columns.`, place);
  }
  return groups;
}

/** The reverse: q_groups of groups of these sizes, and the height of q_weight. */
export function layOutGroups(sizes: readonly { readonly bits: number; readonly rows: number }[]): {
  groups: Exl2Group[];
  wordRows: number;
} {
  let start = 0;
  let wordStart = 0;
  const groups = sizes.map(({ bits, rows }) => {
    const group = { bits, wordStart, start, end: start + rows };
    start += rows;
    wordStart += (rows * bits) / 32;
    return group;
  });
  return { groups, wordRows: wordStart };
}
