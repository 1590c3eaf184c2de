/**
 * Twin of src/solve/rows.ts. Sixteen rows of weights lie column by column, a lane for each row, so that every row sees the
 * operations of the reference in the same order. Columns are counted in the order of visits.
 */
import { narrowToHalves, widenLanes } from "./half";
import { narrowToBfloats } from "./bf16";

/** Rows of a tile; four vectors. */
const ROWS: usize = 16;
/** Bytes of one column of f32. */
const COLUMN: usize = 64;

/** The fields of this class are those of `placeTile` in src/kernels/rows-twin.ts, in the same order. */
@unmanaged
class SolveTile {
  /** f32[columns][rows]: what is left of the weights, or the gradient. */
  rest: usize;
  /** u8[columns][rows] */
  codes: usize;
  /** f32[columns][columns]: the factor, or the moments. */
  matrix: usize;
  columns: i32;
  /** i32: the columns of this step. */
  visits: usize;
  count: i32;
  /** i32: the group of each column. */
  groups: usize;
  /** f32[groups][rows] each. */
  scales: usize;
  zeros: usize;
  biases: usize;
  /** f32 for each code; 0 where a code is its own level. */
  levels: usize;
  /** The largest code. */
  last: i32;
  /** Whether values are rounded to f16. */
  half: i32;
  /** 0: scales are f32, 1: f16, 2: bf16. */
  scaleType: i32;
  /** f32[64][rows] each: what a step changes, and a copy of the gradient. */
  changes: usize;
  local: usize;
  /** i32[64]: columns that changed. */
  changed: usize;
  /** f32[columns][rows]: the weights, or the levels of a group. */
  weights: usize;
}

// @ts-ignore: decorator
@inline
function levelOf(at: SolveTile, code: v128, zero: v128): v128 {
  if (at.levels === 0) return f32x4.sub(code, zero);
  const index = i32x4.trunc_sat_f32x4_s(code);
  const levels = at.levels;
  let found = v128.load32_splat(levels + ((<usize>i32x4.extract_lane(index, 0)) << 2));
  found = v128.load32_lane(levels + ((<usize>i32x4.extract_lane(index, 1)) << 2), found, 1);
  found = v128.load32_lane(levels + ((<usize>i32x4.extract_lane(index, 2)) << 2), found, 2);
  return v128.load32_lane(levels + ((<usize>i32x4.extract_lane(index, 3)) << 2), found, 3);
}

// @ts-ignore: decorator
@inline
function meaning(half: i32, level: v128, scale: v128, bias: v128): v128 {
  const value = f32x4.add(f32x4.mul(scale, level), bias);
  return half ? widenLanes(narrowToHalves(value)) : value;
}

/** The nearest codes, as f32. */
// @ts-ignore: decorator
@inline
function nearest(at: SolveTile, value: v128, scale: v128, zero: v128, bias: v128): v128 {
  const none = f32x4.splat(0);
  if (at.levels !== 0) return nearestLevel(at, value, scale, bias);
  const steps = f32x4.nearest(f32x4.div(f32x4.sub(value, bias), scale));
  const isZero = f32x4.eq(scale, none);
  const code = f32x4.add(v128.bitselect(none, steps, isZero), zero);
  return f32x4.max(none, f32x4.min(f32x4.splat(<f32>at.last), code));
}

function nearestLevel(at: SolveTile, value: v128, scale: v128, bias: v128): v128 {
  let least = f32x4.splat(Infinity);
  let code = f32x4.splat(0);
  for (let candidate = 0; candidate <= at.last; candidate++) {
    const level = v128.load32_splat(at.levels + ((<usize>candidate) << 2));
    const distance = f32x4.abs(f32x4.sub(meaning(at.half, level, scale, bias), value));
    const isNearer = f32x4.lt(distance, least);
    least = v128.bitselect(distance, least, isNearer);
    code = v128.bitselect(f32x4.splat(<f32>candidate), code, isNearer);
  }
  return code;
}

// @ts-ignore: decorator
@inline
function storeCodes(to: usize, code: v128): void {
  const words = i32x4.trunc_sat_f32x4_u(code);
  const halves = i16x8.narrow_i32x4_u(words, words);
  v128.store32_lane(to, i8x16.narrow_i16x8_u(halves, halves), 0);
}

// @ts-ignore: decorator
@inline
function loadCodes(from: usize): v128 {
  return f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(from))));
}

/** Codes for consecutive columns, and what their errors leave for all later ones. */
export function feedbackColumns(at: SolveTile): void {
  const columns = at.columns;
  const first = load<i32>(at.visits);
  const end = first + at.count;
  let change = at.changes;
  for (let visit = first; visit < end; visit++, change += COLUMN) {
    const row = at.matrix + (((<usize>visit) * <usize>columns) << 2);
    const rest = at.rest + <usize>visit * COLUMN;
    const group = <usize>load<i32>(at.groups + ((<usize>visit) << 2)) * COLUMN;
    const diagonal = v128.load32_splat(row + ((<usize>visit) << 2));
    for (let lane: usize = 0; lane < COLUMN; lane += 16) {
      const value = v128.load(rest + lane);
      const scale = v128.load(at.scales + group + lane);
      const zero = v128.load(at.zeros + group + lane);
      const bias = v128.load(at.biases + group + lane);
      const code = nearest(at, value, scale, zero, bias);
      storeCodes(at.codes + <usize>visit * ROWS + (lane >> 2), code);
      const found = meaning(at.half, levelOf(at, code, zero), scale, bias);
      v128.store(change + lane, f32x4.div(f32x4.sub(value, found), diagonal));
    }
    subtractFrom(rest + COLUMN, end - visit - 1, row + ((<usize>(visit + 1)) << 2), change);
  }
  subtractChanges(at, at.visits, at.count, end);
}

/** Consecutive columns minus the products of one change. */
// @ts-ignore: decorator
@inline
function subtractFrom(to: usize, count: i32, factors: usize, change: usize): void {
  const a = v128.load(change);
  const b = v128.load(change, 16);
  const c = v128.load(change, 32);
  const d = v128.load(change, 48);
  for (; count > 0; count--, to += COLUMN, factors += 4) {
    const factor = v128.load32_splat(factors);
    v128.store(to, f32x4.sub(v128.load(to), f32x4.mul(a, factor)));
    v128.store(to, f32x4.sub(v128.load(to, 16), f32x4.mul(b, factor)), 16);
    v128.store(to, f32x4.sub(v128.load(to, 32), f32x4.mul(c, factor)), 32);
    v128.store(to, f32x4.sub(v128.load(to, 48), f32x4.mul(d, factor)), 48);
  }
}

/** All columns from `column` on minus the products of the changes of `count` columns, in their order. */
function subtractChanges(at: SolveTile, visits: usize, count: i32, column: i32): void {
  const columns = at.columns;
  const stride = (<usize>columns) << 2;
  const matrix = at.matrix;
  const visitsEnd = visits + ((<usize>count) << 2);
  const changes = at.changes;
  let to = at.rest + <usize>column * COLUMN;
  let offset = matrix + ((<usize>column) << 2);
  for (; column + 2 <= columns; column += 2, to += 2 * COLUMN, offset += 8) {
    let a0 = v128.load(to);
    let b0 = v128.load(to, 16);
    let c0 = v128.load(to, 32);
    let d0 = v128.load(to, 48);
    let a1 = v128.load(to, 64);
    let b1 = v128.load(to, 80);
    let c1 = v128.load(to, 96);
    let d1 = v128.load(to, 112);
    let change = changes;
    for (let visit = visits; visit < visitsEnd; visit += 4, change += COLUMN) {
      const from = offset + <usize>load<i32>(visit) * stride;
      const x0 = v128.load32_splat(from);
      const x1 = v128.load32_splat(from, 4);
      const a = v128.load(change);
      a0 = f32x4.sub(a0, f32x4.mul(a, x0));
      a1 = f32x4.sub(a1, f32x4.mul(a, x1));
      const b = v128.load(change, 16);
      b0 = f32x4.sub(b0, f32x4.mul(b, x0));
      b1 = f32x4.sub(b1, f32x4.mul(b, x1));
      const c = v128.load(change, 32);
      c0 = f32x4.sub(c0, f32x4.mul(c, x0));
      c1 = f32x4.sub(c1, f32x4.mul(c, x1));
      const d = v128.load(change, 48);
      d0 = f32x4.sub(d0, f32x4.mul(d, x0));
      d1 = f32x4.sub(d1, f32x4.mul(d, x1));
    }
    v128.store(to, a0);
    v128.store(to, b0, 16);
    v128.store(to, c0, 32);
    v128.store(to, d0, 48);
    v128.store(to, a1, 64);
    v128.store(to, b1, 80);
    v128.store(to, c1, 96);
    v128.store(to, d1, 112);
  }
  if (column === columns) return;
  let change = changes;
  for (let visit = visits; visit < visitsEnd; visit += 4, change += COLUMN) {
    subtractFrom(to, 1, offset + <usize>load<i32>(visit) * stride, change);
  }
}

/** The gradient's part that comes from the errors of some columns. `changes` is where they are computed. */
export function gradientOfColumns(at: SolveTile): void {
  for (let k = 0; k < at.count; k++) {
    const visit = <usize>load<i32>(at.visits + ((<usize>k) << 2));
    const group = <usize>load<i32>(at.groups + (visit << 2)) * COLUMN;
    const change = at.changes + <usize>k * COLUMN;
    for (let lane: usize = 0; lane < COLUMN; lane += 16) {
      const zero = v128.load(at.zeros + group + lane);
      const level = levelOf(at, loadCodes(at.codes + visit * ROWS + (lane >> 2)), zero);
      const scale = v128.load(at.scales + group + lane);
      const value = meaning(at.half, level, scale, v128.load(at.biases + group + lane));
      v128.store(change + lane, f32x4.sub(value, v128.load(at.weights + visit * COLUMN + lane)));
    }
  }
  subtractChanges(at, at.visits, at.count, 0);
}

/** The best code of each of some columns, one after the other, while all others stay. */
export function sweepColumns(at: SolveTile): void {
  const stride = (<usize>at.columns) << 2;
  const count = at.count;
  for (let k = 0; k < count; k++) {
    const from = at.rest + <usize>load<i32>(at.visits + ((<usize>k) << 2)) * COLUMN;
    memory.copy(at.local + <usize>k * COLUMN, from, COLUMN);
  }
  let changed = 0;
  for (let k = 0; k < count; k++) {
    const visit = <usize>load<i32>(at.visits + ((<usize>k) << 2));
    const row = at.matrix + visit * stride;
    const group = <usize>load<i32>(at.groups + (visit << 2)) * COLUMN;
    const diagonal = v128.load32_splat(row + (visit << 2));
    const change = at.changes + <usize>changed * COLUMN;
    let any = i32x4.splat(0);
    for (let lane: usize = 0; lane < COLUMN; lane += 16) {
      const codes = at.codes + visit * ROWS + (lane >> 2);
      const scale = v128.load(at.scales + group + lane);
      const zero = v128.load(at.zeros + group + lane);
      const bias = v128.load(at.biases + group + lane);
      const before = meaning(at.half, levelOf(at, loadCodes(codes), zero), scale, bias);
      const wanted = f32x4.add(before, f32x4.div(v128.load(at.local + <usize>k * COLUMN + lane), diagonal));
      const code = nearest(at, wanted, scale, zero, bias);
      storeCodes(codes, code);
      const difference = f32x4.sub(meaning(at.half, levelOf(at, code, zero), scale, bias), before);
      v128.store(change + lane, difference);
      any = v128.or(any, f32x4.ne(difference, f32x4.splat(0)));
    }
    if (!v128.any_true(any)) continue;
    store<i32>(at.changed + ((<usize>changed) << 2), <i32>visit);
    changed++;
    for (let j = k + 1; j < count; j++) {
      const other = <usize>load<i32>(at.visits + ((<usize>j) << 2));
      subtractFrom(at.local + <usize>j * COLUMN, 1, row + (other << 2), change);
    }
  }
  if (changed > 0) subtractChanges(at, at.changed, changed, 0);
}

/** The best scale of one group, whose columns are `visits`, while its codes and all other groups stay. */
export function stepScales(at: SolveTile): void {
  const stride = (<usize>at.columns) << 2;
  const count = at.count;
  const visits = at.visits;
  const levels = at.weights;
  const first = <usize>load<i32>(visits);
  const group = <usize>load<i32>(at.groups + (first << 2)) * COLUMN;
  const end = visits + ((<usize>count) << 2);
  for (let visit = visits, to = levels; visit < end; visit += 4, to += COLUMN) {
    const codes = at.codes + <usize>load<i32>(visit) * ROWS;
    for (let lane: usize = 0; lane < COLUMN; lane += 16) {
      v128.store(to + lane, levelOf(at, loadCodes(codes + (lane >> 2)), v128.load(at.zeros + group + lane)));
    }
  }
  let any = i32x4.splat(0);
  for (let lane: usize = 0; lane < COLUMN; lane += 16) {
    let slope = f32x4.splat(0);
    let curve = f32x4.splat(0);
    for (let visit = visits, own = levels + lane; visit < end; visit += 4, own += COLUMN) {
      const column = <usize>load<i32>(visit);
      slope = f32x4.add(slope, f32x4.mul(v128.load(own), v128.load(at.rest + column * COLUMN + lane)));
      const row = at.matrix + column * stride;
      let sum = f32x4.splat(0);
      for (let other = visits, level = levels + lane; other < end; other += 4, level += COLUMN) {
        const factor = v128.load32_splat(row + ((<usize>load<i32>(other)) << 2));
        sum = f32x4.add(sum, f32x4.mul(v128.load(level), factor));
      }
      curve = f32x4.add(curve, f32x4.mul(v128.load(own), sum));
    }
    const before = v128.load(at.scales + group + lane);
    let after = f32x4.add(before, f32x4.div(slope, curve));
    if (at.scaleType === 1) after = widenLanes(narrowToHalves(after));
    else if (at.scaleType === 2) after = i32x4.shl(narrowToBfloats(after), 16);
    const step = f32x4.sub(after, before);
    const gain = f32x4.mul(step, f32x4.sub(f32x4.mul(step, curve), f32x4.add(slope, slope)));
    const none = f32x4.splat(0);
    const isTaken = v128.and(f32x4.lt(gain, none), f32x4.gt(f32x4.mul(before, after), none));
    v128.store(at.local + lane, before);
    v128.store(at.scales + group + lane, v128.bitselect(after, before, isTaken));
    any = v128.or(any, isTaken);
  }
  if (!v128.any_true(any)) return;
  for (let start = 0; start < count; start += 64) {
    const some = min(64, count - start);
    for (let k = 0; k < some; k++) {
      for (let lane: usize = 0; lane < COLUMN; lane += 16) {
        const level = v128.load(levels + <usize>(start + k) * COLUMN + lane);
        const bias = v128.load(at.biases + group + lane);
        const before = meaning(at.half, level, v128.load(at.local + lane), bias);
        const after = meaning(at.half, level, v128.load(at.scales + group + lane), bias);
        v128.store(at.changes + <usize>k * COLUMN + lane, f32x4.sub(after, before));
      }
    }
    subtractChanges(at, visits + ((<usize>start) << 2), some, 0);
  }
}
