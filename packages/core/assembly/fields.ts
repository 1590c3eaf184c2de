/**
 * Twin of src/bits/fields.ts for streams of 32-bit words: fields of 2 to 8 bits, 32 at a time (a run), which take as many
 * words as a field has bits. Eight fields of b bits are b bytes: they are spread over 16-bit lanes, multiplied so that
 * each is at the top of its lane, and shifted down.
 */

import { packPlanes, unpackPlanes } from "./planes";
import { prefetchRows } from "./prefetch-rows";

/**
 * Streams of words and their fields. The fields of this class are those of `placeFieldRuns` in src/kernels/fields-twin.ts, in
 * the same order.
 */
@unmanaged
class FieldRuns {
  words: usize;
  /** Bytes from one row of words to the next: to the next stream, or to the next word of all streams. */
  wordStep: usize;
  /** Runs of each stream. */
  runs: i32;
  streams: i32;
  fields: usize;
  /** Bytes from stream to stream. */
  fieldStep: usize;
  bits: i32;
  /** Not 0: fields are in bit planes (planes.ts). */
  isPlanar: i32;
}

/** The same of the streams that are unpacked or packed now. */
let isPlanar = false;

/**
 * For each eight fields of a run: which bytes go to which lane, and the factors that shift them up; for the present
 * width.
 */
const spreads = memory.data(64, 16);
const factors = memory.data(16, 16);

// prettier-ignore
const constants = memory.data<u64>([
  0x0f0f0f0f0f0f0f0f, 0x0f0f0f0f0f0f0f0f,
  0x00ff00ff00ff00ff, 0x00ff00ff00ff00ff,
  0x0000ffff0000ffff, 0x0000ffff0000ffff,
  0x00000000ffffffff, 0x00000000ffffffff,
]);

/**
 * Streams and runs that are transposed at a time: the words of a stream are far apart in memory and adjacent in the tile.
 */
const TILE_STREAMS: i32 = 16;
const TILE_RUNS: i32 = 4;
/**
 * Bytes from one stream of the tile to the next: four runs of eight bits, and room for the bytes that the last store
 * writes beyond them.
 */
const TILE_STEP: usize = 144;
const tile = memory.data(2304, 16);

/** Eight bytes are loaded at a time, never beyond the end of the run. */
function prepare(bits: i32): void {
  for (let eight = 0; eight < 4; eight++) {
    const shift = eight * bits - startOf(eight, bits);
    for (let i = 0; i < 8; i++) {
      const byte = shift + ((bits * i) >> 3);
      store<u16>(spreads + 16 * eight + 2 * i, <u16>(byte | ((byte + 1) << 8)));
    }
  }
  for (let i = 0; i < 8; i++) {
    const raise: i32 = 16 - bits - ((bits * i) & 7);
    const factor: i32 = 1 << raise;
    store<u16>(factors + 2 * i, <u16>factor);
  }
}

// @ts-ignore: decorator
@inline
function startOf(eight: i32, bits: i32): i32 {
  return min(eight * bits, 4 * bits - 8);
}

// @ts-ignore: decorator
@inline
function spread(from: usize, eight: usize, up: v128, down: i32): v128 {
  const bytes = i8x16.swizzle(v128.load64_zero(from), v128.load(spreads + 16 * eight));
  return i16x8.shr_u(i16x8.mul(bytes, up), down);
}

/** Runs of one stream, whose words follow each other. */
function unpackRuns(words: usize, runs: i32, fields: usize, bits: i32): void {
  if (isPlanar) return unpackPlanes(words, runs, fields, bits);
  if (bits == 4) return unpackNibbles(words, runs, fields);
  if (bits == 8) {
    memory.copy(fields, words, <usize>runs << 5);
    return;
  }
  const up = v128.load(factors);
  const down = 16 - bits;
  const second = <usize>startOf(1, bits);
  const third = <usize>startOf(2, bits);
  const fourth = <usize>startOf(3, bits);
  for (const end = fields + (<usize>runs << 5); fields < end; fields += 32, words += <usize>(4 * bits)) {
    const low = i8x16.narrow_i16x8_u(spread(words, 0, up, down), spread(words + second, 1, up, down));
    const high = i8x16.narrow_i16x8_u(
      spread(words + third, 2, up, down),
      spread(words + fourth, 3, up, down),
    );
    v128.store(fields, low);
    v128.store(fields, high, 16);
  }
}

function unpackNibbles(words: usize, runs: i32, fields: usize): void {
  const mask = v128.load(constants);
  for (const end = fields + (<usize>runs << 5); fields < end; fields += 32, words += 16) {
    storeNibbles(v128.load(words), mask, fields);
  }
}

/** 32 nibbles, the low one of each byte first. */
// @ts-ignore: decorator
@inline
function storeNibbles(bytes: v128, mask: v128, fields: usize): void {
  const low = v128.and(bytes, mask);
  const high = v128.and(i16x8.shr_u(bytes, 4), mask);
  v128.store(fields, v128.shuffle<u8>(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
  v128.store(
    fields,
    v128.shuffle<u8>(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
    16,
  );
}

/** Streams whose words follow each other, `wordStep` bytes from one stream to the next; the same for fields. */
export function unpackRows(at: FieldRuns): void {
  isPlanar = at.isPlanar != 0;
  let words = at.words;
  let streams = at.streams;
  let fields = at.fields;
  const wordStep = at.wordStep;
  const runs = at.runs;
  const fieldStep = at.fieldStep;
  const bits = at.bits;
  prepare(bits);
  for (; streams > 0; streams--, words += wordStep, fields += fieldStep) unpackRuns(words, runs, fields, bits);
}

/** Runs of side-by-side streams that are brought into cache before they are unpacked. */
const TOUCHED_RUNS: i32 = 16;

/**
 * Adjacent streams: a row of words holds one word of each stream, `wordStep` bytes from row to row. `streams` is a
 * multiple of four.
 */
export function unpackColumns(at: FieldRuns): void {
  isPlanar = at.isPlanar != 0;
  const words = at.words;
  const wordStep = at.wordStep;
  const runs = at.runs;
  const streams = at.streams;
  const fields = at.fields;
  const fieldStep = at.fieldStep;
  const bits = at.bits;
  if (bits == 4) return unpackNibbleColumns(at);
  prepare(bits);
  for (let stream = 0; stream < streams; stream += TILE_STREAMS) {
    const count = min(TILE_STREAMS, streams - stream);
    for (let run = 0; run < runs; run += TILE_RUNS) {
      const runCount = min(TILE_RUNS, runs - run);
      const from = words + 4 * <usize>stream + <usize>(run * bits) * wordStep;
      wordsToTile(from, wordStep, bits * runCount, count);
      let to = fields + <usize>stream * fieldStep + 32 * <usize>run;
      for (let i = 0; i < count; i++, to += fieldStep) {
        unpackRuns(tile + TILE_STEP * <usize>i, runCount, to, bits);
      }
    }
  }
}

/**
 * Loads and stores without work between them, 64 fields of four streams at a time: a line of the cache each. Goes along
 * the rows of words, because rows are pages apart in a large weight.
 */
function unpackNibbleColumns(at: FieldRuns): void {
  let words = at.words;
  let fields = at.fields;
  const wordStep = at.wordStep;
  const runs = at.runs;
  const streams = at.streams;
  const fieldStep = at.fieldStep;
  const mask = v128.load(constants);
  let run = 0;
  for (; run + 2 <= runs; run += 2, words += 8 * wordStep, fields += 64) {
    if (run % TOUCHED_RUNS == 0) {
      prefetchRows(words, wordStep, 4 * min(TOUCHED_RUNS, runs - run), 4 * <usize>streams);
    }
    let line = fields;
    const end = words + 4 * <usize>streams;
    for (let from = words; from < end; from += 16, line += 4 * fieldStep) {
      unpackFour(from, wordStep, mask, line, fieldStep);
      unpackFour(from + 4 * wordStep, wordStep, mask, line + 32, fieldStep);
    }
  }
  if (run == runs) return;
  const end = words + 4 * <usize>streams;
  for (let from = words; from < end; from += 16, fields += 4 * fieldStep) {
    unpackFour(from, wordStep, mask, fields, fieldStep);
  }
}

/** One run of four streams. */
// @ts-ignore: decorator
@inline
function unpackFour(from: usize, wordStep: usize, mask: v128, to: usize, fieldStep: usize): void {
  const a = v128.load(from);
  const b = v128.load(from + wordStep);
  const c = v128.load(from + 2 * wordStep);
  const d = v128.load(from + 3 * wordStep);
  const ab = v128.shuffle<u32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
  const abHigh = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
  const cdHigh = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
  storeNibbles(v128.shuffle<u64>(ab, cd, 0, 2), mask, to);
  storeNibbles(v128.shuffle<u64>(ab, cd, 1, 3), mask, to + fieldStep);
  storeNibbles(v128.shuffle<u64>(abHigh, cdHigh, 0, 2), mask, to + 2 * fieldStep);
  storeNibbles(v128.shuffle<u64>(abHigh, cdHigh, 1, 3), mask, to + 3 * fieldStep);
}

function wordsToTile(words: usize, wordStep: usize, count: i32, streams: i32): void {
  let word = 0;
  for (; word + 4 <= count; word += 4, words += 4 * wordStep) {
    for (let stream = 0; stream < streams; stream += 4) {
      const from = words + 4 * <usize>stream;
      const to = tile + TILE_STEP * <usize>stream + 4 * <usize>word;
      turn(from, wordStep, to, TILE_STEP);
    }
  }
  for (; word < count; word++, words += wordStep) {
    for (let stream = 0; stream < streams; stream++) {
      store<u32>(tile + TILE_STEP * <usize>stream + 4 * <usize>word, load<u32>(words + 4 * <usize>stream));
    }
  }
}

function tileToWords(words: usize, wordStep: usize, count: i32, streams: i32): void {
  let word = 0;
  for (; word + 4 <= count; word += 4, words += 4 * wordStep) {
    for (let stream = 0; stream < streams; stream += 4) {
      const from = tile + TILE_STEP * <usize>stream + 4 * <usize>word;
      turn(from, TILE_STEP, words + 4 * <usize>stream, wordStep);
    }
  }
  for (; word < count; word++, words += wordStep) {
    for (let stream = 0; stream < streams; stream++) {
      store<u32>(words + 4 * <usize>stream, load<u32>(tile + TILE_STEP * <usize>stream + 4 * <usize>word));
    }
  }
}

/** Four by four words, rows becoming columns. */
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

/** All bits that occur in any field, which show whether a field is too large. */
let seen: v128 = i8x16.splat(0);

/** Runs of one stream to words that follow each other; writes up to eight bytes beyond them. */
function packRuns(fields: usize, runs: i32, words: usize, bits: i32): void {
  if (isPlanar) {
    seen = v128.or(seen, packPlanes(fields, runs, words, bits));
    return;
  }
  const bytes = v128.load(constants, 16);
  const halves = v128.load(constants, 32);
  const words32 = v128.load(constants, 48);
  let all = seen;
  if (bits == 4) {
    for (const end = fields + (<usize>runs << 5); fields < end; fields += 32, words += 16) {
      const a = v128.load(fields);
      const b = v128.load(fields, 16);
      all = v128.or(all, v128.or(a, b));
      const low = v128.and(v128.or(a, i16x8.shr_u(a, 4)), bytes);
      const high = v128.and(v128.or(b, i16x8.shr_u(b, 4)), bytes);
      v128.store(words, i8x16.narrow_i16x8_u(low, high));
    }
    seen = all;
    return;
  }
  for (const end = fields + (<usize>runs << 5); fields < end; fields += 16) {
    const a = v128.load(fields);
    all = v128.or(all, a);
    const two = v128.or(v128.and(a, bytes), i16x8.shl(i16x8.shr_u(a, 8), bits));
    const four = v128.or(v128.and(two, halves), i32x4.shl(i32x4.shr_u(two, 16), 2 * bits));
    const eight = v128.or(v128.and(four, words32), i64x2.shl(i64x2.shr_u(four, 32), 4 * bits));
    store<u64>(words, i64x2.extract_lane(eight, 0));
    words += <usize>bits;
    store<u64>(words, i64x2.extract_lane(eight, 1));
    words += <usize>bits;
  }
  seen = all;
}

/** The reverse of `unpackRows`. @returns all bits that occur in any field, together */
export function packRows(at: FieldRuns): i32 {
  isPlanar = at.isPlanar != 0;
  let words = at.words;
  let streams = at.streams;
  let fields = at.fields;
  const wordStep = at.wordStep;
  const runs = at.runs;
  const fieldStep = at.fieldStep;
  const bits = at.bits;
  seen = i8x16.splat(0);
  for (; streams > 0; streams--, words += wordStep, fields += fieldStep) {
    for (let run = 0; run < runs; run += TILE_RUNS) {
      const count = min(TILE_RUNS, runs - run);
      packRuns(fields + 32 * <usize>run, count, tile, bits);
      memory.copy(words + <usize>(4 * run * bits), tile, <usize>(4 * count * bits));
    }
  }
  return allSeen();
}

/** The reverse of `unpackColumns`. @returns all bits that occur in any field, together */
export function packColumns(at: FieldRuns): i32 {
  isPlanar = at.isPlanar != 0;
  const words = at.words;
  const wordStep = at.wordStep;
  const runs = at.runs;
  const streams = at.streams;
  const fields = at.fields;
  const fieldStep = at.fieldStep;
  const bits = at.bits;
  seen = i8x16.splat(0);
  for (let stream = 0; stream < streams; stream += TILE_STREAMS) {
    const count = min(TILE_STREAMS, streams - stream);
    for (let run = 0; run < runs; run += TILE_RUNS) {
      const runCount = min(TILE_RUNS, runs - run);
      let from = fields + <usize>stream * fieldStep + 32 * <usize>run;
      for (let i = 0; i < count; i++, from += fieldStep) {
        packRuns(from, runCount, tile + TILE_STEP * <usize>i, bits);
      }
      tileToWords(words + 4 * <usize>stream + <usize>(run * bits) * wordStep, wordStep, bits * runCount, count);
    }
  }
  return allSeen();
}

function allSeen(): i32 {
  const all = i64x2.extract_lane(seen, 0) | i64x2.extract_lane(seen, 1);
  const half = <u32>(all | (all >> 32));
  const quarter = half | (half >> 16);
  return <i32>((quarter | (quarter >> 8)) & 255);
}
