import { type ErrorPlace, FormatError } from "@requant/core";

/**
 * Columns per group: the claimed size where it agrees with the number of groups, else the size that follows from that
 * number.
 * @throws FormatError when no size makes so many groups
 */
export function settleGroupSize(
  columns: number,
  groupCount: number,
  claimed: number,
  place: ErrorPlace = {},
): number {
  if (groupCount === 1) return claimed >= columns ? claimed : -1;
  if (claimed > 0 && Math.ceil(columns / claimed) === groupCount) return claimed;
  if (columns % groupCount === 0) return columns / groupCount;
  throw new FormatError(
    `${groupCount} groups do not divide ${columns} columns, and groups of ${claimed} would be ${
      claimed > 0 ? Math.ceil(columns / claimed) : 1
    }.`,
    place,
  );
}

/** Stored g_idx as groups of columns. @throws FormatError for a group that does not exist */
export function readGroupIndex(words: Uint32Array, groupCount: number, place: ErrorPlace = {}): Int32Array {
  const groups = Int32Array.from(words, (word) => word | 0);
  const bad = groups.findIndex((group) => group < 0 || group >= groupCount);
  if (bad === -1) return groups;
  throw new FormatError(
    `The part g_idx puts column ${bad} into group ${groups[bad]}; there are ${groupCount} groups, 0 to ${groupCount - 1}.`,
    place,
  );
}

/** Of 64-bit integers the lower halves; one that has more becomes a group that is not there. */
export function lowWords(words: Uint32Array): Uint32Array {
  return Uint32Array.from({ length: words.length / 2 }, (_, i) =>
    words[2 * i + 1] === 0 ? words[2 * i]! : 0xffffffff,
  );
}
