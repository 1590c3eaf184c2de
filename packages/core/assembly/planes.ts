/**
 * Runs of 32 fields in bit planes: the low four bits of all fields, then two bits, then one, as far as a field has them. Twin of
 * src/bits/fields.ts for tables such as those of GPTQ in bit planes.
 */

// prettier-ignore
const constants = memory.data<u64>([
  0x0f0f0f0f0f0f0f0f, 0x0f0f0f0f0f0f0f0f,
  0x0303030303030303, 0x0303030303030303,
  0x8040201008040201, 0x8040201008040201,
  0x00ff00ff00ff00ff, 0x00ff00ff00ff00ff,
]);

/** Bytes of two vectors in turn: the first eight of each, then the last eight. */
// @ts-ignore: decorator
@inline
function zip(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// @ts-ignore: decorator
@inline
function zipEnd(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/** Runs of one stream, whose words follow each other. */
export function unpackPlanes(words: usize, runs: i32, fields: usize, bits: i32): void {
  const four = v128.load(constants);
  const two = v128.load(constants, 16);
  const places = v128.load(constants, 32);
  for (const end = fields + (<usize>runs << 5); fields < end; fields += 32) {
    let low = i8x16.splat(0);
    let high = low;
    let left = 0;
    if ((bits & 4) != 0) {
      const bytes = v128.load(words);
      const even = v128.and(bytes, four);
      const odd = v128.and(i16x8.shr_u(bytes, 4), four);
      low = zip(even, odd);
      high = zipEnd(even, odd);
      words += 16;
      left = 4;
    }
    if ((bits & 2) != 0) {
      const bytes = v128.load64_zero(words);
      const nibbles = zip(v128.and(bytes, four), v128.and(i16x8.shr_u(bytes, 4), four));
      const even = v128.and(nibbles, two);
      const odd = v128.and(i16x8.shr_u(nibbles, 2), two);
      low = v128.or(low, i16x8.shl(zip(even, odd), left));
      high = v128.or(high, i16x8.shl(zipEnd(even, odd), left));
      words += 8;
      left += 2;
    }
    if ((bits & 1) != 0) {
      const word = v128.load32_splat(words);
      const one = i8x16.splat(<i8>1 << <i8>left);
      const first = v128.and(i8x16.shuffle(word, word, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1), places);
      const last = v128.and(i8x16.shuffle(word, word, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3), places);
      low = v128.or(low, v128.and(i8x16.eq(first, places), one));
      high = v128.or(high, v128.and(i8x16.eq(last, places), one));
      words += 4;
    }
    v128.store(fields, low);
    v128.store(fields, high, 16);
  }
}

/** The reverse. @returns all bits that occur in any field */
export function packPlanes(fields: usize, runs: i32, words: usize, bits: i32): v128 {
  const four = v128.load(constants);
  const two = v128.load(constants, 16);
  const bytes = v128.load(constants, 48);
  let all = i8x16.splat(0);
  for (const end = fields + (<usize>runs << 5); fields < end; fields += 32) {
    const low = v128.load(fields);
    const high = v128.load(fields, 16);
    all = v128.or(all, v128.or(low, high));
    let left = 0;
    if ((bits & 4) != 0) {
      v128.store(words, pairs(v128.and(low, four), v128.and(high, four), 4, bytes));
      words += 16;
      left = 4;
    }
    if ((bits & 2) != 0) {
      const first = v128.and(i16x8.shr_u(low, left), two);
      const last = v128.and(i16x8.shr_u(high, left), two);
      const nibbles = pairs(first, last, 6, bytes);
      const packed = pairs(v128.and(nibbles, four), nibbles, 4, bytes);
      store<u64>(words, i64x2.extract_lane(packed, 0));
      words += 8;
      left += 2;
    }
    if ((bits & 1) != 0) {
      store<u16>(words, <u16>i8x16.bitmask(i16x8.shl(low, 7 - left)));
      store<u16>(words, <u16>i8x16.bitmask(i16x8.shl(high, 7 - left)), 2);
      words += 4;
    }
  }
  return all;
}

/** Two neighbouring bytes of each 16-bit lane to one byte. */
// @ts-ignore: decorator
@inline
function pairs(low: v128, high: v128, shift: i32, bytes: v128): v128 {
  const first = v128.and(v128.or(low, i16x8.shr_u(low, shift)), bytes);
  const last = v128.and(v128.or(high, i16x8.shr_u(high, shift)), bytes);
  return i8x16.narrow_i16x8_u(first, last);
}
