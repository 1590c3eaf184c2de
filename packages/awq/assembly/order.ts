/**
 * Twin of src/order.ts. A word holds eight neighbouring features of one line, so lines and features are transposed twice:
 * first words, of four lines and four columns of words, then bytes, of sixteen lines.
 */

import { prefetchRows } from "../../core/assembly/prefetch-rows";

/**
 * Lines of words and the places of their features' fields. The fields of this class are those of `placeGemmTile` in
 * src/kernels/order-twin.ts, in the same order.
 */
@unmanaged
class GemmTile {
  words: usize;
  /** Bytes from line to line. */
  wordStep: usize;
  /** A multiple of 16. */
  lines: i32;
  /** Words of each line, a multiple of four. */
  width: i32;
  /** The fields of 8 × `width` features. */
  fields: usize;
  /** Bytes from feature to feature. */
  step: usize;
}

/** Lines and words that are processed at a time; a line of the cache for each feature. */
const LINES: i32 = 64;
const WORDS: i32 = 32;
/** Bytes from one word's column to the next. */
const COLUMN: usize = 256;
/** Words by column, 64 lines each. */
const tile = memory.data(8192, 16);

// prettier-ignore
const constants = memory.data<u64>([0x0f0f0f0f0f0f0f0f, 0x0f0f0f0f0f0f0f0f]);

// @ts-ignore: decorator
@inline
function turn(from: usize, fromStep: usize, to: usize, toStep: usize): void {
  const a = v128.load(from);
  const b = v128.load(from + fromStep);
  const c = v128.load(from + 2 * fromStep);
  const d = v128.load(from + 3 * fromStep);
  const ab = v128.shuffle<u32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
  const abHigh = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
  const cdHigh = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<u64>(ab, cd, 0, 2));
  v128.store(to + toStep, v128.shuffle<u64>(ab, cd, 1, 3));
  v128.store(to + 2 * toStep, v128.shuffle<u64>(abHigh, cdHigh, 0, 2));
  v128.store(to + 3 * toStep, v128.shuffle<u64>(abHigh, cdHigh, 1, 3));
}

/** Sorts the bytes of four words by their place in the word; the inverse is the same. */
// @ts-ignore: decorator
@inline
function byPlace(words: v128): v128 {
  return v128.shuffle<u8>(words, words, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}

// @ts-ignore: decorator
@inline
function storeTwo(bytes: v128, mask: v128, low: usize, high: usize): void {
  v128.store(low, v128.and(bytes, mask));
  v128.store(high, v128.and(i16x8.shr_u(bytes, 4), mask));
}

/** Words to fields. */
export function unpackGemm(gemm: GemmTile): void {
  const words = gemm.words;
  const wordStep = gemm.wordStep;
  const lines = gemm.lines;
  const width = gemm.width;
  const fields = gemm.fields;
  const step = gemm.step;
  const mask = v128.load(constants);
  for (let line = 0; line < lines; line += LINES) {
    const lineCount = min(LINES, lines - line);
    const from = words + <usize>line * wordStep;
    prefetchRows(from, wordStep, lineCount, 4 * <usize>width);
    for (let word = 0; word < width; word += WORDS) {
      const wordCount = min(WORDS, width - word);
      for (let i = 0; i < lineCount; i += 4) {
        const source = from + <usize>i * wordStep + 4 * <usize>word;
        const target = tile + 4 * <usize>i;
        for (let w: usize = 0; w < <usize>wordCount; w += 4) turn(source + 4 * w, wordStep, target + COLUMN * w, COLUMN);
      }
      for (let w = 0; w < wordCount; w++) {
        let at = tile + COLUMN * <usize>w;
        let to = fields + 8 * step * <usize>(word + w) + <usize>line;
        for (let i = 0; i < lineCount; i += 16, at += 64, to += 16) {
          const a = byPlace(v128.load(at));
          const b = byPlace(v128.load(at, 16));
          const c = byPlace(v128.load(at, 32));
          const d = byPlace(v128.load(at, 48));
          const ab = v128.shuffle<u32>(a, b, 0, 4, 1, 5);
          const cd = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
          const abHigh = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
          const cdHigh = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
          storeTwo(v128.shuffle<u64>(ab, cd, 0, 2), mask, to, to + 2 * step);
          storeTwo(v128.shuffle<u64>(ab, cd, 1, 3), mask, to + 4 * step, to + 6 * step);
          storeTwo(v128.shuffle<u64>(abHigh, cdHigh, 0, 2), mask, to + step, to + 3 * step);
          storeTwo(v128.shuffle<u64>(abHigh, cdHigh, 1, 3), mask, to + 5 * step, to + 7 * step);
        }
      }
    }
  }
}

/** The reverse. @returns all bits that occur in any field, together */
export function packGemm(gemm: GemmTile): i32 {
  const words = gemm.words;
  const wordStep = gemm.wordStep;
  const lines = gemm.lines;
  const width = gemm.width;
  const fields = gemm.fields;
  const step = gemm.step;
  let all = i8x16.splat(0);
  for (let line = 0; line < lines; line += LINES) {
    const lineCount = min(LINES, lines - line);
    for (let word = 0; word < width; word += WORDS) {
      const wordCount = min(WORDS, width - word);
      for (let w = 0; w < wordCount; w++) {
        let at = tile + COLUMN * <usize>w;
        let from = fields + 8 * step * <usize>(word + w) + <usize>line;
        for (let i = 0; i < lineCount; i += 16, at += 64, from += 16) {
          const f0 = v128.load(from);
          const f1 = v128.load(from + step);
          const f2 = v128.load(from + 2 * step);
          const f3 = v128.load(from + 3 * step);
          const f4 = v128.load(from + 4 * step);
          const f5 = v128.load(from + 5 * step);
          const f6 = v128.load(from + 6 * step);
          const f7 = v128.load(from + 7 * step);
          all = v128.or(all, v128.or(v128.or(v128.or(f0, f1), v128.or(f2, f3)), v128.or(v128.or(f4, f5), v128.or(f6, f7))));
          const a = v128.or(f0, i16x8.shl(f2, 4));
          const b = v128.or(f4, i16x8.shl(f6, 4));
          const c = v128.or(f1, i16x8.shl(f3, 4));
          const d = v128.or(f5, i16x8.shl(f7, 4));
          const ab = v128.shuffle<u32>(a, b, 0, 4, 1, 5);
          const cd = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
          const abHigh = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
          const cdHigh = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
          v128.store(at, byPlace(v128.shuffle<u64>(ab, cd, 0, 2)));
          v128.store(at, byPlace(v128.shuffle<u64>(ab, cd, 1, 3)), 16);
          v128.store(at, byPlace(v128.shuffle<u64>(abHigh, cdHigh, 0, 2)), 32);
          v128.store(at, byPlace(v128.shuffle<u64>(abHigh, cdHigh, 1, 3)), 48);
        }
      }
      for (let i = 0; i < lineCount; i += 4) {
        const source = tile + 4 * <usize>i;
        const target = words + <usize>(line + i) * wordStep + 4 * <usize>word;
        for (let w: usize = 0; w < <usize>wordCount; w += 4) turn(source + COLUMN * w, COLUMN, target + 4 * w, wordStep);
      }
    }
  }
  const both = i64x2.extract_lane(all, 0) | i64x2.extract_lane(all, 1);
  const half = <u32>(both | (both >> 32));
  const quarter = half | (half >> 16);
  return <i32>((quarter | (quarter >> 8)) & 255);
}
