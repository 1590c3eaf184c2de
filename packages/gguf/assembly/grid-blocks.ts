/**
 * Twins of src/view/plain-types.ts and super-block-types.ts: a tile of codes to blocks.
 *
 * Each function returns 0, or another number when a value might not fit: src/kernels/blocks-twin.ts then uses the
 * TypeScript, and the written bytes are invalid.
 */
import { prefetchRows } from "../../core/assembly/prefetch-rows";
import { narrowToHalves } from "./half";

/**
 * Rows of codes and the places of their blocks. The fields of this class are those of `placeCodeTile` in
 * src/kernels/blocks-twin.ts, in the same order.
 */
@unmanaged
class CodeTile {
  codes: usize;
  /** Bytes from row to row. */
  codeStep: usize;
  rows: i32;
  /** Blocks of 32 columns in a row. */
  blocks: i32;
  /** The group of each 32 columns, i32. */
  groups: usize;
  groupCount: i32;
  /** f32, `groupCount` per row. */
  scales: usize;
  /** i16, `groupCount` per row. */
  zeros: usize;
  /** The scales as f16, `groupCount` per row. */
  halves: usize;
  out: usize;
  /** Bytes from row to row. */
  outStep: usize;
}

// prettier-ignore
const constants = memory.data<u64>([
  0x0f0f0f0f0f0f0f0f, 0x0f0f0f0f0f0f0f0f,
  0x8080808080808080, 0x8080808080808080,
]);

// @ts-ignore: decorator
@inline
function halfOf(value: f32): u32 {
  return <u32>i32x4.extract_lane(narrowToHalves(f32x4.splat(value)), 0);
}

function orOf(bytes: v128): i32 {
  const both = i64x2.extract_lane(bytes, 0) | i64x2.extract_lane(bytes, 1);
  const half = <u32>(both | (both >> 32));
  const quarter = half | (half >> 16);
  return <i32>((quarter | (quarter >> 8)) & 255);
}

// @ts-ignore: decorator
@inline
function packNibbles(low: v128, high: v128, out: usize): void {
  v128.store(out, v128.or(low, i16x8.shl(high, 4)));
}

// @ts-ignore: decorator
@inline
function packFive(low: v128, high: v128, out: usize): void {
  // the upper bit of each byte is right, whatever bits come from the byte below
  store<u16>(out, <u16>i8x16.bitmask(i16x8.shl(low, 3)));
  store<u16>(out, <u16>i8x16.bitmask(i16x8.shl(high, 3)), 2);
  v128.store(out, v128.bitselect(low, i16x8.shl(high, 4), v128.load(constants)), 4);
}

// @ts-ignore: decorator
@inline
function packBytes(low: v128, high: v128, out: usize): void {
  const sign = v128.load(constants, 16);
  v128.store(out, v128.xor(low, sign));
  v128.store(out, v128.xor(high, sign), 16);
}

/** f32 to f16. @returns 1 when a value is infinite or NaN, else 0 */
export function halvesOf(values: usize, count: i32, out: usize): i32 {
  const infinite = i32x4.splat(0x7f800000);
  let bad = i32x4.splat(0);
  const end = values + 4 * <usize>count;
  for (const vectorEnd = values + 4 * <usize>(count & ~7); values < vectorEnd; values += 32, out += 16) {
    const a = v128.load(values);
    const b = v128.load(values, 16);
    bad = v128.or(bad, i32x4.eq(v128.and(a, infinite), infinite));
    bad = v128.or(bad, i32x4.eq(v128.and(b, infinite), infinite));
    v128.store(out, i16x8.narrow_i32x4_u(narrowToHalves(a), narrowToHalves(b)));
  }
  for (; values < end; values += 4, out += 2) {
    const a = v128.load32_splat(values);
    bad = v128.or(bad, i32x4.eq(v128.and(a, infinite), infinite));
    store<u16>(out, <u16>i32x4.extract_lane(narrowToHalves(a), 0));
  }
  return <i32>v128.any_true(bad);
}

/**
 * Blocks of d and codes around `middle`. A code moves by the difference of the zero points; where it does, codes from 128
 * on and moves by more than that are left to the TypeScript, so that no byte wraps around unseen.
 */
// @ts-ignore: decorator
@inline
function signedBlocks(tile: CodeTile, middle: i32, packing: i32, byteLength: usize): i32 {
  let codes = tile.codes;
  let zeros = tile.zeros;
  let halves = tile.halves;
  let out = tile.out;
  let rows = tile.rows;
  const codeStep = tile.codeStep;
  const blocks = tile.blocks;
  const groups = tile.groups;
  const groupCount = tile.groupCount;
  const outStep = tile.outStep;
  const groupsEnd = groups + 4 * <usize>blocks;
  prefetchRows(out, outStep, rows, <usize>blocks * byteLength);
  let still = i8x16.splat(0);
  let before = i8x16.splat(0);
  let after = i8x16.splat(0);
  let refused: i32 = 0;
  for (; rows > 0; rows--) {
    let from = codes;
    let to = out;
    for (let at = groups; at < groupsEnd; ) {
      const group = load<i32>(at);
      const d = load<u16>(halves + 2 * <usize>group);
      const difference = middle - <i32>load<i16>(zeros + 2 * <usize>group);
      refused |= <i32>(difference < (packing == 2 ? 0 : -128)) | <i32>(difference > 128);
      if (difference == 0) {
        do {
          const low = v128.load(from);
          const high = v128.load(from, 16);
          still = v128.or(still, v128.or(low, high));
          store<u16>(to, d);
          if (packing == 0) packNibbles(low, high, to + 2);
          else if (packing == 1) packFive(low, high, to + 2);
          else packBytes(low, high, to + 2);
          at += 4;
          from += 32;
          to += byteLength;
        } while (at < groupsEnd && load<i32>(at) == group);
        continue;
      }
      const shift = i8x16.splat(<i8>difference);
      do {
        const givenLow = v128.load(from);
        const givenHigh = v128.load(from, 16);
        before = v128.or(before, v128.or(givenLow, givenHigh));
        const low = i8x16.add(givenLow, shift);
        const high = i8x16.add(givenHigh, shift);
        after = v128.or(after, v128.or(low, high));
        store<u16>(to, d);
        if (packing == 0) packNibbles(low, high, to + 2);
        else if (packing == 1) packFive(low, high, to + 2);
        else packBytes(low, high, to + 2);
        at += 4;
        from += 32;
        to += byteLength;
      } while (at < groupsEnd && load<i32>(at) == group);
    }
    codes += codeStep;
    out += outStep;
    halves += 2 * <usize>groupCount;
    zeros += 2 * <usize>groupCount;
  }
  return refused | (orOf(before) & 128) | (orOf(v128.or(still, after)) & ~(2 * middle - 1));
}

export function gridToQ4_0(tile: CodeTile): i32 {
  return signedBlocks(tile, 8, 0, 18);
}

export function gridToQ5_0(tile: CodeTile): i32 {
  return signedBlocks(tile, 16, 1, 22);
}

export function gridToQ8_0(tile: CodeTile): i32 {
  return signedBlocks(tile, 128, 2, 34);
}

/** Blocks of d, m = −d × zero point, and codes from 0 on. */
// @ts-ignore: decorator
@inline
function offsetBlocks(tile: CodeTile, maxCode: i32, byteLength: usize): i32 {
  let codes = tile.codes;
  let zeros = tile.zeros;
  let halves = tile.halves;
  let out = tile.out;
  let rows = tile.rows;
  const codeStep = tile.codeStep;
  const blocks = tile.blocks;
  const groups = tile.groups;
  const groupCount = tile.groupCount;
  const outStep = tile.outStep;
  let scales = tile.scales;
  const groupsEnd = groups + 4 * <usize>blocks;
  prefetchRows(out, outStep, rows, <usize>blocks * byteLength);
  let all = i8x16.splat(0);
  let refused: i32 = 0;
  for (; rows > 0; rows--) {
    let from = codes;
    let to = out;
    for (let at = groups; at < groupsEnd; ) {
      const group = load<i32>(at);
      const zero = <i32>load<i16>(zeros + 2 * <usize>group);
      refused |= <i32>(zero < -4096) | <i32>(zero > 4096);
      let both = <u32>load<u16>(halves + 2 * <usize>group);
      if (zero != 0) both |= halfOf(-load<f32>(scales + 4 * <usize>group) * <f32>zero) << 16;
      do {
        const low = v128.load(from);
        const high = v128.load(from, 16);
        all = v128.or(all, v128.or(low, high));
        store<u32>(to, both);
        if (maxCode == 15) packNibbles(low, high, to + 4);
        else packFive(low, high, to + 4);
        at += 4;
        from += 32;
        to += byteLength;
      } while (at < groupsEnd && load<i32>(at) == group);
    }
    codes += codeStep;
    out += outStep;
    scales += 4 * <usize>groupCount;
    halves += 2 * <usize>groupCount;
    zeros += 2 * <usize>groupCount;
  }
  return refused | (orOf(all) & ~maxCode);
}

export function gridToQ4_1(tile: CodeTile): i32 {
  return offsetBlocks(tile, 15, 20);
}

export function gridToQ5_1(tile: CodeTile): i32 {
  return offsetBlocks(tile, 31, 24);
}

/** Zero points of the eight present sub-blocks. */
const minimums = memory.data(8, 16);

export function gridToQ4_K(tile: CodeTile): i32 {
  let codes = tile.codes;
  let zeros = tile.zeros;
  let halves = tile.halves;
  let out = tile.out;
  let rows = tile.rows;
  const codeStep = tile.codeStep;
  const blocks = tile.blocks;
  const groups = tile.groups;
  const groupCount = tile.groupCount;
  const outStep = tile.outStep;
  let scales = tile.scales;
  const groupsEnd = groups + 4 * <usize>blocks;
  prefetchRows(out, outStep, rows, <usize>(blocks / 8) * 144);
  let refused: i32 = 0;
  let all = i8x16.splat(0);
  for (; rows > 0; rows--) {
    let from = codes;
    let to = out;
    for (let at = groups; at < groupsEnd; at += 32, from += 256, to += 144) {
      const first = <usize>load<i32>(at);
      const scale = load<f32>(scales + 4 * first);
      for (let j: usize = 0; j < 8; j++) {
        const group = <usize>load<i32>(at + 4 * j);
        const zero = <i32>load<i16>(zeros + 2 * group);
        if (zero < 0 || zero > 63 || load<f32>(scales + 4 * group) != scale) refused = 1;
        store<u8>(minimums + j, <u8>zero);
      }
      const d = <u32>load<u16>(halves + 2 * first);
      store<u32>(to, d | (d << 16));
      const low = load<u32>(minimums);
      const high = load<u32>(minimums, 4);
      // six bits each: scales are 1; the upper minimums are stored in two pieces
      store<u32>(to, 0x01010101, 4);
      store<u32>(to, low | ((high & 0x30303030) << 2), 8);
      store<u32>(to, 0x01010101 | ((high & 0x0f0f0f0f) << 4), 12);
      for (let pair: usize = 0; pair < 128; pair += 32) {
        const a = v128.load(from + 2 * pair);
        const b = v128.load(from + 2 * pair, 16);
        const c = v128.load(from + 2 * pair, 32);
        const e = v128.load(from + 2 * pair, 48);
        all = v128.or(all, v128.or(v128.or(a, b), v128.or(c, e)));
        v128.store(to + pair, v128.or(a, i16x8.shl(c, 4)), 16);
        v128.store(to + pair, v128.or(b, i16x8.shl(e, 4)), 32);
      }
    }
    codes += codeStep;
    out += outStep;
    scales += 4 * <usize>groupCount;
    halves += 2 * <usize>groupCount;
    zeros += 2 * <usize>groupCount;
  }
  return refused | (orOf(all) & ~15);
}
