/** Twin of src/types/five-bit-codes.ts. */

/** Which bit of its byte each of 16 weights has in `qh`. */
// prettier-ignore
const bits = memory.data<u8>([1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128]);

/** The byte 16 (`fifth`) where a bit of the two bytes at `qh` is set, else 0. */
// @ts-ignore: decorator
@inline
export function highBits(qh: usize, offset: usize, fifth: v128): v128 {
  const halves = i16x8.splat(load<i16>(qh + offset));
  const spread = v128.shuffle<i8>(halves, halves, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  const mask = v128.load(bits);
  return v128.and(i8x16.eq(v128.and(spread, mask), mask), fifth);
}

/** 32 codes of five bits to `qh` and nibbles, 20 bytes. */
// @ts-ignore: decorator
@inline
export function packFiveBitCodes(codes: usize, out: usize): void {
  const low = v128.load(codes);
  const high = v128.load(codes, 16);
  store<u16>(out, <u16>i8x16.bitmask(i8x16.shl(low, 3)));
  store<u16>(out, <u16>i8x16.bitmask(i8x16.shl(high, 3)), 2);
  v128.store(out, v128.or(v128.and(low, i8x16.splat(15)), i8x16.shl(high, 4)), 4);
}
