/**
 * Q4_0 and Q5_0 blocks from 4-bit codes as GPTQ and AWQ pack them, without a byte for each code in between. The blocks
 * equal those of grid-blocks.ts for the same weight. Scales are f16, zero points 0 to 15; for Q4_0 all are 8.
 *
 * Memory takes most of the time: lines of words and rows of blocks are pages apart. A processor prefetches within a page,
 * for several pages at once. So the words of a tile are first copied together, eight lines at a time, in runs as long as
 * the caller's number of rows makes them; then the blocks of a few rows are written at a time, from the first of the tile
 * to the last. The copy is in strips, one for the rows whose blocks are made together: a strip is read from its start to
 * its end.
 */

/**
 * Words of codes and the places of their rows' blocks. The fields of this class are those of `placeNibbleTile` in
 * src/kernels/nibbles.ts, in the same order.
 */
@unmanaged
export class NibbleTile {
  words: usize;
  /** Bytes from row to row of words. */
  wordStep: usize;
  rows: i32;
  /** Blocks of 32 columns in a row. */
  blocks: i32;
  /** The group of each 32 columns, i32. */
  groups: usize;
  /** f16, a row of scales for each group. */
  scales: usize;
  /** Bytes from group to group. */
  scaleStep: usize;
  /** Bytes made by `reflectZeros`, a row for each group. */
  zeros: usize;
  /** Bytes from group to group. */
  zeroStep: usize;
  out: usize;
  /** Bytes from row to row. */
  outStep: usize;
  /** Room for the words of a tile. */
  stage: usize;
  stageByteLength: i32;
}

/** The mask of lower nibbles. */
// prettier-ignore
export const lowNibbles = memory.data<u64>([0x0f0f0f0f0f0f0f0f, 0x0f0f0f0f0f0f0f0f]);

export const Q4_0 = 0;
export const Q5_0 = 1;

/**
 * Replaces each of `count` zero points by 255 − 16 × zero point, which `storeBlock` adds. Up to 15 bytes more are
 * changed.
 */
export function reflectZeros(zeros: usize, count: i32): void {
  for (const end = zeros + <usize>count; zeros < end; zeros += 16) {
    v128.store(zeros, v128.not(i16x8.shl(v128.load(zeros), 4)));
  }
}

/**
 * A block of d and codes. Upper nibbles of `first`: the codes of the columns 0 to 15; of `second`: of 16 to 31. Their
 * lower nibbles do not matter: the average of two bytes is half of their sum with a bit to spare, so that bit 7 says
 * whether the code reaches the zero point, and bits 3 to 6 hold the difference of the two.
 */
// @ts-ignore: decorator
@inline
export function storeBlock(first: v128, second: v128, low: v128, reflectedZero: usize, d: u32, out: usize, packing: i32): void {
  if (packing == Q4_0) {
    store<u16>(out, <u16>d);
    v128.store(out, v128.or(v128.and(i16x8.shr_u(first, 4), low), v128.andnot(second, low)), 2);
    return;
  }
  const zero = v128.load8_splat(reflectedZero);
  const a = i8x16.avgr_u(first, zero);
  const b = i8x16.avgr_u(second, zero);
  // this overwrites two bytes of the codes, which are written afterwards
  store<u64>(out, <u64>(d | (<u32>i8x16.bitmask(a) << 16)) | (<u64>i8x16.bitmask(b) << 32));
  v128.store(out, v128.or(v128.and(i16x8.shr_u(a, 3), low), v128.andnot(i8x16.add(b, b), low)), 6);
}

/** Four rows of a block of 32 columns, from 64 bytes. A word holds eight columns of a row, lowest first; the next row's follows it. */
// @ts-ignore: decorator
@inline
function fourRows(words: usize, low: v128, zeros: usize, scales: usize, out: usize, outStep: usize, packing: i32): void {
  const w0 = v128.load(words);
  const w1 = v128.load(words, 16);
  const w2 = v128.load(words, 32);
  const w3 = v128.load(words, 48);
  // columns j and j + 16 in a byte: upper nibbles of the first words change places with lower nibbles of the others
  const a = v128.and(v128.xor(i16x8.shr_u(w0, 4), w2), low);
  const b = v128.and(v128.xor(i16x8.shr_u(w1, 4), w3), low);
  const evenA = v128.xor(w0, i16x8.shl(a, 4));
  const oddA = v128.xor(w2, a);
  const evenB = v128.xor(w1, i16x8.shl(b, 4));
  const oddB = v128.xor(w3, b);
  const a01 = v128.shuffle<u8>(evenA, oddA, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const a23 = v128.shuffle<u8>(evenA, oddA, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  const b01 = v128.shuffle<u8>(evenB, oddB, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const b23 = v128.shuffle<u8>(evenB, oddB, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  storeBytes(v128.shuffle<u64>(a01, b01, 0, 2), low, zeros, load<u16>(scales), out, packing);
  storeBytes(v128.shuffle<u64>(a01, b01, 1, 3), low, zeros + 1, load<u16>(scales, 2), out + outStep, packing);
  storeBytes(v128.shuffle<u64>(a23, b23, 0, 2), low, zeros + 2, load<u16>(scales, 4), out + 2 * outStep, packing);
  storeBytes(v128.shuffle<u64>(a23, b23, 1, 3), low, zeros + 3, load<u16>(scales, 6), out + 3 * outStep, packing);
}

/** As `storeBlock`, of codes that are in pairs as Q4_0 has them. */
// @ts-ignore: decorator
@inline
function storeBytes(pairs: v128, low: v128, reflectedZero: usize, d: u32, out: usize, packing: i32): void {
  if (packing == Q4_0) {
    store<u16>(out, <u16>d);
    v128.store(out, pairs, 2);
  } else storeBlock(i16x8.shl(pairs, 4), pairs, low, reflectedZero, d, out, packing);
}

/** Bytes between strips, so that not all of them compete for the same lines of the cache. */
export const GAP: usize = 64;

/** Rows whose blocks are written together. */
const ROWS: usize = 16;

/** Copies four lines of words, 16 bytes of each in turn. */
// @ts-ignore: decorator
@inline
function copyFour(words: usize, wordStep: usize, to: usize): void {
  v128.store(to, v128.load(words));
  v128.store(to, v128.load(words + wordStep), 16);
  v128.store(to, v128.load(words + 2 * wordStep), 32);
  v128.store(to, v128.load(words + 3 * wordStep), 48);
}

/** To a strip for each four rows, 64 bytes for each block. `runLength` is a multiple of 16 bytes. */
// @ts-ignore: decorator
@inline
function stageColumns(words: usize, wordStep: usize, blocks: usize, runLength: usize, stage: usize, stripStep: usize): void {
  const lines = stage + 64 * blocks;
  for (; stage + 64 < lines; stage += 128, words += 8 * wordStep) {
    for (let from = words, end = words + runLength, to = stage; from < end; from += 16, to += stripStep) {
      copyFour(from, wordStep, to);
      copyFour(from + 4 * wordStep, wordStep, to + 64);
    }
  }
  if (stage == lines) return;
  for (let from = words, end = words + runLength, to = stage; from < end; from += 16, to += stripStep) {
    copyFour(from, wordStep, to);
  }
}

/** `rows` is a multiple of four. */
// @ts-ignore: decorator
@inline
function columnsToBlocks(nibbles: NibbleTile, packing: i32, byteLength: usize): void {
  const rows = <usize>nibbles.rows;
  const scaleStep = nibbles.scaleStep;
  const zeroStep = nibbles.zeroStep;
  const outStep = nibbles.outStep;
  const wordStep = nibbles.wordStep;
  const stage = nibbles.stage;
  const low = v128.load(lowNibbles);
  const most = blocksOfTile(nibbles, GAP * (rows >> 2), 16 * rows);
  let words = nibbles.words;
  let groups = nibbles.groups;
  let out = nibbles.out;
  for (let left = <usize>nibbles.blocks; left > 0; ) {
    const blocks = min(left, most);
    const stripStep = 64 * blocks + GAP;
    stageColumns(words, wordStep, blocks, 4 * rows, stage, stripStep);
    words += 4 * blocks * wordStep;
    for (let row: usize = 0; row < rows; row += ROWS) {
      const strips = min(ROWS, rows - row) >> 2;
      const scales = nibbles.scales + 2 * row;
      const zeros = nibbles.zeros + row;
      let strip = stage + (row >> 2) * stripStep;
      let block = out + outStep * row;
      for (let group = groups, end = groups + 4 * blocks; group < end; group += 4, strip += 64, block += byteLength) {
        let d = scales + scaleStep * <usize>load<u32>(group);
        let zero = zeros + zeroStep * <usize>load<u32>(group);
        let to = block;
        let from = strip;
        for (let i = strips; i > 0; i--, from += stripStep, d += 8, zero += 4, to += 4 * outStep) {
          fourRows(from, low, zero, d, to, outStep, packing);
        }
      }
    }
    groups += 4 * blocks;
    out += blocks * byteLength;
    left -= blocks;
  }
}

/** Blocks of each row in a tile: tiles of one size as far as possible. */
// @ts-ignore: decorator
@inline
export function blocksOfTile(nibbles: NibbleTile, spare: usize, bytesPerBlock: usize): usize {
  const blocks = <usize>nibbles.blocks;
  const most = (<usize>nibbles.stageByteLength - spare) / bytesPerBlock;
  const tiles = (blocks + most - 1) / most;
  return (blocks + tiles - 1) / tiles;
}

/** The words hold eight columns each; the word of the next eight is `wordStep` bytes further. */
export function nibbleColumnsToQ4_0(nibbles: NibbleTile): void {
  columnsToBlocks(nibbles, Q4_0, 18);
}

export function nibbleColumnsToQ5_0(nibbles: NibbleTile): void {
  columnsToBlocks(nibbles, Q5_0, 22);
}
