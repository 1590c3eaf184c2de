/** Kernel of src/string-walk.ts. */

const LENGTH_BYTES: u32 = 8;

let skipped: u32 = 0;

/**
 * Moves past up to `count` little-endian strings and returns the address behind the last one, which may lie behind `end`.
 * Stops before a string whose length is not in memory, is above `limit`, or goes beyond `left` bytes from `start`.
 */
export function skipStrings(start: u32, end: u32, count: u32, left: u32, limit: u32): u32 {
  const stop = start + left;
  let at = start;
  let n: u32 = 0;
  while (n < count && at + LENGTH_BYTES <= end) {
    const length = load<u64>(at);
    if (length > <u64>limit || length > <u64>(stop - at - LENGTH_BYTES)) break;
    at += LENGTH_BYTES + <u32>length;
    n += 1;
  }
  skipped = n;
  return at;
}

/** How many strings the last call moved past. */
export function skippedStrings(): u32 {
  return skipped;
}
