/** The same as packed-nibbles.ts for words that hold rows, as AWQ packs them: bytes of words are sorted while they are copied. */

import { blocksOfTile, GAP, lowNibbles, NibbleTile, Q4_0, Q5_0, storeBlock } from "./packed-nibbles";

/**
 * Four columns of 16 bytes of words: the four bytes of each place in a word stand together, `wordStep` bytes from column to
 * column; the bytes of a word go to a strip of its own.
 */
// @ts-ignore: decorator
@inline
function gather(words: usize, wordStep: usize, to: usize, stripStep: usize): void {
  const a = v128.load(words);
  const b = v128.load(words + wordStep);
  const c = v128.load(words + 2 * wordStep);
  const d = v128.load(words + 3 * wordStep);
  const abLow = v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const abHigh = v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  const cdLow = v128.shuffle<u8>(c, d, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const cdHigh = v128.shuffle<u8>(c, d, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  v128.store(to, v128.shuffle<u16>(abLow, cdLow, 0, 8, 1, 9, 2, 10, 3, 11));
  v128.store(to + stripStep, v128.shuffle<u16>(abLow, cdLow, 4, 12, 5, 13, 6, 14, 7, 15));
  v128.store(to + 2 * stripStep, v128.shuffle<u16>(abHigh, cdHigh, 0, 8, 1, 9, 2, 10, 3, 11));
  v128.store(to + 3 * stripStep, v128.shuffle<u16>(abHigh, cdHigh, 4, 12, 5, 13, 6, 14, 7, 15));
}

/** One word of 32 columns, as `gather` left it in 128 bytes: a block of each of eight rows. */
// @ts-ignore: decorator
@inline
function eightRows(at: usize, low: v128, zeros: usize, scales: usize, out: usize, outStep: usize, packing: i32): void {
  let a = v128.load(at);
  let b = v128.load(at, 16);
  let c = v128.load(at, 32);
  let d = v128.load(at, 48);
  const ab01 = v128.shuffle<u32>(a, b, 0, 4, 1, 5);
  const cd01 = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
  const ab23 = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
  const cd23 = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
  a = v128.load(at, 64);
  b = v128.load(at, 80);
  c = v128.load(at, 96);
  d = v128.load(at, 112);
  const ef01 = v128.shuffle<u32>(a, b, 0, 4, 1, 5);
  const gh01 = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
  const ef23 = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
  const gh23 = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
  // the order of AWQ: rows 0, 4, 1, 5 are the lower nibbles of the four bytes, rows 2, 6, 3, 7 the upper ones
  const first0 = v128.shuffle<u64>(ab01, cd01, 0, 2);
  const second0 = v128.shuffle<u64>(ef01, gh01, 0, 2);
  const first2 = v128.shuffle<u64>(ab23, cd23, 0, 2);
  const second2 = v128.shuffle<u64>(ef23, gh23, 0, 2);
  storeBlock(i16x8.shl(first0, 4), i16x8.shl(second0, 4), low, zeros, load<u16>(scales), out, packing);
  out += outStep;
  storeBlock(i16x8.shl(first2, 4), i16x8.shl(second2, 4), low, zeros + 1, load<u16>(scales, 2), out, packing);
  out += outStep;
  storeBlock(first0, second0, low, zeros + 2, load<u16>(scales, 4), out, packing);
  out += outStep;
  storeBlock(first2, second2, low, zeros + 3, load<u16>(scales, 6), out, packing);
  out += outStep;
  const first1 = v128.shuffle<u64>(ab01, cd01, 1, 3);
  const second1 = v128.shuffle<u64>(ef01, gh01, 1, 3);
  const first3 = v128.shuffle<u64>(ab23, cd23, 1, 3);
  const second3 = v128.shuffle<u64>(ef23, gh23, 1, 3);
  storeBlock(i16x8.shl(first1, 4), i16x8.shl(second1, 4), low, zeros + 4, load<u16>(scales, 8), out, packing);
  out += outStep;
  storeBlock(i16x8.shl(first3, 4), i16x8.shl(second3, 4), low, zeros + 5, load<u16>(scales, 10), out, packing);
  out += outStep;
  storeBlock(first1, second1, low, zeros + 6, load<u16>(scales, 12), out, packing);
  out += outStep;
  storeBlock(first3, second3, low, zeros + 7, load<u16>(scales, 14), out, packing);
}

/** `rows` is a multiple of 32. */
// @ts-ignore: decorator
@inline
function rowsToBlocks(nibbles: NibbleTile, packing: i32, byteLength: usize): void {
  const rows = <usize>nibbles.rows;
  const scaleStep = nibbles.scaleStep;
  const zeroStep = nibbles.zeroStep;
  const outStep = nibbles.outStep;
  const wordStep = nibbles.wordStep;
  const stage = nibbles.stage;
  const low = v128.load(lowNibbles);
  const most = blocksOfTile(nibbles, GAP * (rows >> 3), 16 * rows);
  let words = nibbles.words;
  let groups = nibbles.groups;
  let out = nibbles.out;
  for (let left = <usize>nibbles.blocks; left > 0; ) {
    const blocks = min(left, most);
    const stripStep = 128 * blocks + GAP;
    const lines = stage + 128 * blocks;
    for (let line = stage; line < lines; line += 32, words += 8 * wordStep) {
      let to = line;
      for (let from = words, end = words + (rows >> 1); from < end; from += 16, to += 4 * stripStep) {
        gather(from, wordStep, to, stripStep);
        gather(from + 4 * wordStep, wordStep, to + 16, stripStep);
      }
    }
    let strip = stage;
    for (let row: usize = 0; row < rows; row += 8, strip += stripStep) {
      const scales = nibbles.scales + 2 * row;
      const zeros = nibbles.zeros + row;
      let from = strip;
      let to = out + outStep * row;
      for (let group = groups, end = groups + 4 * blocks; group < end; group += 4, from += 128, to += byteLength) {
        const at = <usize>load<u32>(group);
        eightRows(from, low, zeros + zeroStep * at, scales + scaleStep * at, to, outStep, packing);
      }
    }
    groups += 4 * blocks;
    out += blocks * byteLength;
    left -= blocks;
  }
}

/** The words hold eight rows each in the order of AWQ; the word of the next column is `wordStep` bytes further. */
export function nibbleRowsToQ4_0(nibbles: NibbleTile): void {
  rowsToBlocks(nibbles, Q4_0, 18);
}

export function nibbleRowsToQ5_0(nibbles: NibbleTile): void {
  rowsToBlocks(nibbles, Q5_0, 22);
}
