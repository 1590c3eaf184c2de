/** The different floats of a block: twin of `gather` in src/view/hidden-scale.ts for numbers of bf16. */

/** A byte for each bf16 number: 1 while it is in the list. */
let marks: usize = 0;

export function placeMarks(address: usize): void {
  marks = address;
}

/** All numbers of E4M3 that are not NaN, with both zeros. */
const MOST_DISTINCT = 254;
/** Floats between two looks at how many there are. */
const CHUNK = 1024;
/** Where the list begins: behind the count of floats that are not 0. */
const LIST = 16;

/**
 * Writes how many floats are not 0, and each different float once, in the order of appearance; returns how many these are, or
 * a negative number where they are more than E4M3 has. `step`: bytes from one run to the next.
 */
export function distinctFloats(values: usize, runs: i32, length: i32, step: usize, out: usize): i32 {
  const list = out + LIST;
  let end = list;
  let zeros = 0;
  for (let run = 0; run < runs && end - list <= 4 * MOST_DISTINCT; run++, values += step) {
    const runEnd = values + 4 * <usize>length;
    for (let start = values; start < runEnd && end - list <= 4 * MOST_DISTINCT; start += 4 * CHUNK) {
      const chunkEnd = min(start + 4 * CHUNK, runEnd);
      for (let i = start; i < chunkEnd; i += 4) {
        const code = <usize>load<u16>(i, 2);
        const known = load<u8>(marks + code);
        store<u8>(marks + code, 1);
        store<u32>(end, <u32>code << 16);
        end += 4 - 4 * <usize>known;
        zeros += <i32>((code & 0x7fff) == 0);
      }
    }
  }
  for (let i = list; i < end; i += 4) store<u8>(marks + load<u16>(i, 2), 0);
  store<i32>(out, runs * length - zeros);
  const count = <i32>((end - list) >> 2);
  return count > MOST_DISTINCT ? -1 : count;
}
