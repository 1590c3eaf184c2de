/** Twin of src/interleave.ts: each half of 64 columns is eight 16-bit words, whose nibbles are eight columns apart. */

/** Bytes of the words of four rows of 64 columns, and of one of these rows. */
const BLOCK_BYTES: usize = 128;
const ROW_BYTES: usize = 32;

// prettier-ignore
const constants = memory.data<u16>([15, 15, 15, 15, 15, 15, 15, 15]);

/** Where the words of a row begin. */
// @ts-ignore: decorator
@inline
function lineOf(words: usize, columns: i32, row: i32): usize {
  return words + 2 * <usize>(columns * (row >> 2)) + ROW_BYTES * <usize>(row & 3);
}

/** Rows `[start, end)`; `words` are those of row 0, `codes` those of row `start`. */
export function unpackInterleaved(words: usize, codes: usize, columns: i32, start: i32, end: i32): void {
  const mask = v128.load(constants);
  for (let row = start; row < end; row++) {
    let line = lineOf(words, columns, row);
    for (let left = columns; left > 0; left -= 64, line += BLOCK_BYTES) {
      for (let at = line; at < line + ROW_BYTES; at += 16, codes += 32) {
        const eight = v128.load(at);
        const first = v128.and(eight, mask);
        const second = v128.and(i16x8.shr_u(eight, 4), mask);
        const third = v128.and(i16x8.shr_u(eight, 8), mask);
        const fourth = i16x8.shr_u(eight, 12);
        v128.store(codes, i8x16.narrow_i16x8_u(first, second));
        v128.store(codes, i8x16.narrow_i16x8_u(third, fourth), 16);
      }
    }
  }
}

/** The reverse. @returns all bits that occur in any code, together */
export function packInterleaved(words: usize, codes: usize, columns: i32, start: i32, end: i32): i32 {
  let all = i8x16.splat(0);
  for (let row = start; row < end; row++) {
    let line = lineOf(words, columns, row);
    for (let left = columns; left > 0; left -= 64, line += BLOCK_BYTES) {
      for (let at = line; at < line + ROW_BYTES; at += 16, codes += 32) {
        const low = v128.load(codes);
        const high = v128.load(codes, 16);
        all = v128.or(all, v128.or(low, high));
        const first = i16x8.extend_low_i8x16_u(low);
        const second = i16x8.shl(i16x8.extend_high_i8x16_u(low), 4);
        const third = i16x8.shl(i16x8.extend_low_i8x16_u(high), 8);
        const fourth = i16x8.shl(i16x8.extend_high_i8x16_u(high), 12);
        v128.store(at, v128.or(v128.or(first, second), v128.or(third, fourth)));
      }
    }
  }
  const both = i64x2.extract_lane(all, 0) | i64x2.extract_lane(all, 1);
  const half = <u32>(both | (both >> 32));
  const quarter = half | (half >> 16);
  return <i32>((quarter | (quarter >> 8)) & 255);
}
