/** Twin of src/bits/marlin.ts, for one run of 64 rows. */

// prettier-ignore
const constants = memory.data<u64>([0x0f0f0f0f0f0f0f0f, 0x0f0f0f0f0f0f0f0f]);

/** Bytes of the words of 16 columns of a run; a quarter of a warp, and thus eight rows of each tile, takes 64 of them. */
const RUN_BYTES: usize = 512;
const LANES_BYTES: usize = 64;

/** Two rows of a tile, eight rows apart, from the words of four lanes. */
// @ts-ignore: decorator
@inline
function unpackRowPair(words: v128, mask: v128, codes: usize, step: usize): void {
  const bytes = v128.shuffle<u8>(words, words, 0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
  const low = v128.and(bytes, mask);
  const high = v128.and(i16x8.shr_u(bytes, 4), mask);
  v128.store(codes, v128.shuffle<u64>(low, high, 0, 2));
  v128.store(codes + 8 * step, v128.shuffle<u64>(low, high, 1, 3));
}

/** Words of `count` times 16 columns, `wordStep` bytes apart, to 64 rows of codes, `step` bytes apart. */
export function unpackMarlin(words: usize, wordStep: usize, count: i32, codes: usize, step: usize): void {
  const mask = v128.load(constants);
  for (; count > 0; count--, words += wordStep, codes += 16) {
    let to = codes;
    for (let at = words; at < words + RUN_BYTES; at += LANES_BYTES, to += step) {
      const a = v128.load(at);
      const b = v128.load(at, 16);
      const c = v128.load(at, 32);
      const d = v128.load(at, 48);
      const ab = v128.shuffle<u32>(a, b, 0, 4, 1, 5);
      const cd = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
      const abEnd = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
      const cdEnd = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
      unpackRowPair(v128.shuffle<u64>(ab, cd, 0, 2), mask, to, step);
      unpackRowPair(v128.shuffle<u64>(ab, cd, 1, 3), mask, to + 16 * step, step);
      unpackRowPair(v128.shuffle<u64>(abEnd, cdEnd, 0, 2), mask, to + 32 * step, step);
      unpackRowPair(v128.shuffle<u64>(abEnd, cdEnd, 1, 3), mask, to + 48 * step, step);
    }
  }
}

let seen: v128 = i8x16.splat(0);

// @ts-ignore: decorator
@inline
function packRowPair(codes: usize, step: usize): v128 {
  const first = v128.load(codes);
  const second = v128.load(codes + 8 * step);
  seen = v128.or(seen, v128.or(first, second));
  const low = v128.shuffle<u64>(first, second, 0, 2);
  const high = v128.shuffle<u64>(first, second, 1, 3);
  const bytes = v128.or(low, i8x16.shl(high, 4));
  return v128.shuffle<u8>(bytes, bytes, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** The reverse. @returns all bits that occur in any code, together */
export function packMarlin(words: usize, wordStep: usize, count: i32, codes: usize, step: usize): i32 {
  seen = i8x16.splat(0);
  for (; count > 0; count--, words += wordStep, codes += 16) {
    let from = codes;
    for (let at = words; at < words + RUN_BYTES; at += LANES_BYTES, from += step) {
      const a = packRowPair(from, step);
      const b = packRowPair(from + 16 * step, step);
      const c = packRowPair(from + 32 * step, step);
      const d = packRowPair(from + 48 * step, step);
      const ab = v128.shuffle<u32>(a, b, 0, 4, 1, 5);
      const cd = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
      const abEnd = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
      const cdEnd = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
      v128.store(at, v128.shuffle<u64>(ab, cd, 0, 2));
      v128.store(at, v128.shuffle<u64>(ab, cd, 1, 3), 16);
      v128.store(at, v128.shuffle<u64>(abEnd, cdEnd, 0, 2), 32);
      v128.store(at, v128.shuffle<u64>(abEnd, cdEnd, 1, 3), 48);
    }
  }
  const both = i64x2.extract_lane(seen, 0) | i64x2.extract_lane(seen, 1);
  const half = <u32>(both | (both >> 32));
  const quarter = half | (half >> 16);
  return <i32>((quarter | (quarter >> 8)) & 255);
}
