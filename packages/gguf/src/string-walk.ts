/** Moves past strings of which only the lengths are read. A header is mostly strings, so this decides the speed. */

/** What is walked, and how far. */
export interface StringWalk {
  readonly bytes: Uint8Array;
  /** Where the length of the first string is. */
  readonly start: number;
  /** Most strings. */
  readonly count: number;
  /** Most bytes of a string. */
  readonly limit: number;
  readonly littleEndian: boolean;
}

/** Where the walk ended, and after how many strings. */
export interface WalkedStrings {
  readonly end: number;
  readonly skipped: number;
}

/**
 * Moves past up to `count` strings that are complete and within the limit: it stops before a string that is incomplete or
 * too long.
 */
export function skipStrings({ bytes, start, count, limit, littleEndian }: StringWalk): WalkedStrings {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lengthAt = littleEndian ? 0 : 4;
  const upperAt = 4 - lengthAt;
  const last = bytes.byteLength - 8;
  let at = start;
  let skipped = 0;
  while (skipped < count && at <= last) {
    const byteLength = view.getUint32(at + lengthAt, littleEndian);
    if (byteLength > limit || byteLength > last - at || view.getUint32(at + upperAt, littleEndian) !== 0)
      break;
    at += 8 + byteLength;
    skipped += 1;
  }
  return { end: at, skipped };
}
