/** Twin of `searchStep` in src/view/grid-search.ts, whose candidates it gets as tables: a lane for each candidate. */
import { narrowToBfloats } from "./bf16";
import { narrowToHalves, widenLanes } from "./half";

/** The fields of this class are those of `placeSearch` in src/kernels/quantize-twin.ts, in the same order. */
@unmanaged
class SearchedRows {
  /** f32[rows][columns] */
  values: usize;
  rows: i32;
  columns: i32;
  /** Columns of a group; the last may be short. */
  size: i32;
  /** f32[columns] */
  importance: usize;
  /** f32 for each row and group; replaced by what is better. */
  scales: usize;
  zeros: usize;
  maxCode: i32;
  minZero: i32;
  symmetric: i32;
  /** 0: scales are f32, 1: f16, 2: bf16. */
  scaleType: i32;
  /** f32[16]: three rounds of shares, three of factors, differences of zero points. */
  tables: usize;
}

/** Bytes of sixteen f32. */
const SET: usize = 64;
const FINE: usize = 192;
const ZEROS: usize = 384;
const ROUNDS = 3;

const scales = memory.data(64, 16);
const zeros = memory.data(64, 16);
const errors = memory.data(64, 16);

let bestScale: f32 = 0;
let bestZero: f32 = 0;
let bestError: f32 = 0;

// @ts-ignore: decorator
@inline
function rounded(value: v128, type: i32): v128 {
  if (type === 1) return widenLanes(narrowToHalves(value));
  if (type === 2) return i32x4.shl(narrowToBfloats(value), 16);
  return value;
}

export function searchSteps(at: SearchedRows): void {
  const columns = at.columns;
  let scale = at.scales;
  let zero = at.zeros;
  for (let row = 0; row < at.rows; row++) {
    const values = at.values + ((<usize>row * <usize>columns) << 2);
    for (let start = 0; start < columns; start += at.size, scale += 4, zero += 4) {
      const place = (<usize>start) << 2;
      const end = (<usize>min(columns, start + at.size)) << 2;
      searchGroup(at, values + place, values + end, at.importance + place, load<f32>(scale), load<f32>(zero));
      store<f32>(scale, bestScale);
      store<f32>(zero, bestZero);
    }
  }
}

function searchGroup(
  at: SearchedRows,
  values: usize,
  end: usize,
  importance: usize,
  startScale: f32,
  startZero: f32,
): void {
  const symmetric = at.symmetric !== 0;
  const maxCode = f32x4.splat(<f32>at.maxCode);
  const minZero = f32x4.splat(<f32>at.minZero);
  const firstScale = f32x4.splat(startScale);
  const firstZero = f32x4.splat(startZero);
  for (let round = 0; round < ROUNDS; round++) {
    for (let i: usize = 0; i < SET; i += 16) {
      const share = v128.load(at.tables + <usize>round * SET + i);
      v128.store(scales + i, rounded(f32x4.mul(firstScale, share), at.scaleType));
      let zero = firstZero;
      if (!symmetric) {
        if (round === 1) zero = f32x4.nearest(f32x4.div(firstZero, share));
        if (round === 2) {
          zero = f32x4.sub(maxCode, f32x4.nearest(f32x4.div(f32x4.sub(maxCode, firstZero), share)));
        }
        zero = f32x4.max(minZero, f32x4.min(maxCode, zero));
      }
      v128.store(zeros + i, zero);
    }
    if (round === 0) {
      store<f32>(scales, startScale);
      store<f32>(zeros, startZero);
    }
    tryAll(at.maxCode, values, end, importance, SET, round === 0);
  }
  // where the zero point stays, there are five neighbours and not three times five
  const neighbours: usize = symmetric ? 20 : 60;
  for (let round = 0; round < ROUNDS; round++) {
    const scale = bestScale;
    const zero = bestZero;
    const shift = shiftOf(scale, zero, <f32>at.maxCode, values, end, importance);
    const own = f32x4.splat(scale);
    for (let i: usize = 0; i <= neighbours; i += 16) {
      const factor = v128.load(at.tables + FINE + <usize>round * SET + i);
      v128.store(scales + i, rounded(f32x4.mul(own, factor), at.scaleType));
      let near = f32x4.splat(zero);
      if (!symmetric) {
        near = f32x4.add(near, v128.load(at.tables + ZEROS + i));
        near = f32x4.max(minZero, f32x4.min(maxCode, near));
      }
      v128.store(zeros + i, near);
    }
    store<f32>(scales + neighbours, f32x4.extract_lane(rounded(f32x4.splat(scale + shift), at.scaleType), 0));
    store<f32>(zeros + neighbours, zero);
    tryAll(at.maxCode, values, end, importance, neighbours + 4, false);
  }
}

/** Tries the candidates before `last`, in bytes of their f32. */
function tryAll(
  maxCode: i32,
  values: usize,
  end: usize,
  importance: usize,
  last: usize,
  isFirst: bool,
): void {
  for (let i: usize = 0; i < last; i += 32) tryEight(i, <f32>maxCode, values, end, importance);
  for (let i: usize = 0; i < last; i += 4) {
    const error = load<f32>(errors + i);
    if (!((isFirst && i === 0) || error < bestError)) continue;
    bestError = error;
    bestScale = load<f32>(scales + i);
    bestZero = load<f32>(zeros + i);
  }
}

/** How much a scale would change to be best for the codes that it gives. */
function shiftOf(scale: f32, zero: f32, maxCode: f32, value: usize, end: usize, importance: usize): f32 {
  const inverse: f32 = 1 / scale;
  const lowest = -zero;
  const highest = maxCode - zero;
  let slope: f32 = 0;
  let curve: f32 = 0;
  for (; value < end; value += 4, importance += 4) {
    const own = load<f32>(value);
    const level = max(lowest, min(highest, nearest(own * inverse)));
    const weighted = level * load<f32>(importance);
    slope += weighted * (own - level * scale);
    curve += weighted * level;
  }
  return slope / curve;
}

// @ts-ignore: decorator
@inline
function tryEight(i: usize, maxCode: f32, value: usize, end: usize, importance: usize): void {
  const scale0 = v128.load(scales + i);
  const scale1 = v128.load(scales + i, 16);
  const inverse0 = f32x4.div(f32x4.splat(1), scale0);
  const inverse1 = f32x4.div(f32x4.splat(1), scale1);
  const lowest0 = f32x4.neg(v128.load(zeros + i));
  const lowest1 = f32x4.neg(v128.load(zeros + i, 16));
  const highest0 = f32x4.sub(f32x4.splat(maxCode), v128.load(zeros + i));
  const highest1 = f32x4.sub(f32x4.splat(maxCode), v128.load(zeros + i, 16));
  let error0 = f32x4.splat(0);
  let error1 = f32x4.splat(0);
  // pmin and pmax keep what is not a number on their left, as the reference does, in one instruction each
  for (; value < end; value += 4, importance += 4) {
    const own = v128.load32_splat(value);
    const weight = v128.load32_splat(importance);
    const level0 = f32x4.pmax(f32x4.pmin(f32x4.nearest(f32x4.mul(own, inverse0)), highest0), lowest0);
    const level1 = f32x4.pmax(f32x4.pmin(f32x4.nearest(f32x4.mul(own, inverse1)), highest1), lowest1);
    const rest0 = f32x4.sub(own, f32x4.mul(level0, scale0));
    const rest1 = f32x4.sub(own, f32x4.mul(level1, scale1));
    error0 = f32x4.add(error0, f32x4.mul(f32x4.mul(rest0, weight), rest0));
    error1 = f32x4.add(error1, f32x4.mul(f32x4.mul(rest1, weight), rest1));
  }
  v128.store(errors + i, error0);
  v128.store(errors + i, error1, 16);
}
