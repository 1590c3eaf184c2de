/**
 * Twin of `dequantizeView` in src/view/integer-view.ts, of `parameterFacts` in src/view/facts.ts and of `noCodeIsAbove`
 * in src/view/fit.ts.
 */
import { narrowToHalves, widenHalves } from "./half";

/**
 * Rows of codes and the places of their values. The fields of this class are those of `placeGridRuns` in
 * src/kernels/grid-twin.ts, in the same order.
 */
@unmanaged
class GridRuns {
  codes: usize;
  /** Bytes from row to row. */
  codeStep: usize;
  rows: i32;
  /** Group, first column, end of each run of columns of one group: i32 each. */
  runs: usize;
  runCount: i32;
  /** f32, `groupCount` per row. */
  scales: usize;
  /** i16, `groupCount` per row. */
  zeros: usize;
  groupCount: i32;
  out: usize;
  /** Bytes from row to row. */
  outStep: usize;
}

/** Rows of codes to f32. */
export function dequantizeGrid(at: GridRuns): void {
  let codes = at.codes;
  let scales = at.scales;
  let zeros = at.zeros;
  let out = at.out;
  const codeStep = at.codeStep;
  const runs = at.runs;
  const groupCount = at.groupCount;
  const outStep = at.outStep;
  const runsEnd = runs + 12 * <usize>at.runCount;
  for (let rows = at.rows; rows > 0; rows--) {
    for (let run = runs; run < runsEnd; run += 12) {
      const group = <usize>load<i32>(run);
      let column = load<i32>(run, 4);
      const end = load<i32>(run, 8);
      const scale = load<f32>(scales + 4 * group);
      const zero = <i32>load<i16>(zeros + 2 * group);
      let from = codes + <usize>column;
      let to = out + 4 * <usize>column;
      const scale4 = f32x4.splat(scale);
      const zero4 = i32x4.splat(zero);
      for (; column + 16 <= end; column += 16, from += 16, to += 64) {
        const bytes = v128.load(from);
        const low = i16x8.extend_low_i8x16_u(bytes);
        const high = i16x8.extend_high_i8x16_u(bytes);
        v128.store(to, product(i32x4.extend_low_i16x8_s(low), zero4, scale4));
        v128.store(to, product(i32x4.extend_high_i16x8_s(low), zero4, scale4), 16);
        v128.store(to, product(i32x4.extend_low_i16x8_s(high), zero4, scale4), 32);
        v128.store(to, product(i32x4.extend_high_i16x8_s(high), zero4, scale4), 48);
      }
      for (; column < end; column++, from++, to += 4) {
        store<f32>(to, scale * <f32>(<i32>load<u8>(from) - zero));
      }
    }
    codes += codeStep;
    out += outStep;
    scales += 4 * <usize>groupCount;
    zeros += 2 * <usize>groupCount;
  }
}

// @ts-ignore: decorator
@inline
function product(codes: v128, zeros: v128, scales: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(codes, zeros)), scales);
}

const halves = memory.data(32, 16);

/** Each f32 to the nearest f16 and back, in place. */
export function roundToHalf(values: usize, count: i32): void {
  const end = values + 4 * <usize>count;
  const vectorEnd = values + 4 * <usize>(count & ~15);
  for (; values < vectorEnd; values += 64) {
    const low = i16x8.narrow_i32x4_u(narrowToHalves(v128.load(values)), narrowToHalves(v128.load(values, 16)));
    const high = i16x8.narrow_i32x4_u(
      narrowToHalves(v128.load(values, 32)),
      narrowToHalves(v128.load(values, 48)),
    );
    v128.store(halves, low);
    v128.store(halves, high, 16);
    widenHalves(halves, 16, values);
  }
  for (; values < end; values += 4) {
    store<u16>(halves, <u16>i32x4.extract_lane(narrowToHalves(v128.load32_splat(values)), 0));
    widenHalves(halves, 1, values);
  }
}

/** All bits that occur in any of `count` bytes, together. */
export function orOfBytes(bytes: usize, count: i32): i32 {
  let all = i8x16.splat(0);
  const end = bytes + <usize>count;
  for (const vectorEnd = bytes + <usize>(count & ~63); bytes < vectorEnd; bytes += 64) {
    const low = v128.or(v128.load(bytes), v128.load(bytes, 16));
    all = v128.or(all, v128.or(low, v128.or(v128.load(bytes, 32), v128.load(bytes, 48))));
  }
  const folded = i64x2.extract_lane(all, 0) | i64x2.extract_lane(all, 1);
  let found = <u32>(folded | (folded >> 32));
  found |= found >> 16;
  found |= found >> 8;
  for (; bytes < end; bytes++) found |= <u32>load<u8>(bytes);
  return <i32>(found & 255);
}

/**
 * Examines `count` scales and zero points, a multiple of eight. `range`: eight smallest and eight largest zero points,
 * i16, which are updated. @returns the bits that src/kernels/facts-twin.ts defines
 */
export function parameterFacts(scales: usize, zeros: usize, count: i32, range: usize): i32 {
  const infinite = i32x4.splat(0x7f800000);
  const none = f32x4.splat(0);
  const lower = i32x4.splat(0xffff);
  let least = v128.load(range);
  let most = v128.load(range, 16);
  let notFinite = i32x4.splat(0);
  let negative = i32x4.splat(0);
  let notHalf = i32x4.splat(0);
  let notBfloat = i32x4.splat(0);
  let offsetNotHalf = i32x4.splat(0);
  for (const end = scales + 4 * <usize>count; scales < end; scales += 32, zeros += 16) {
    const zero = v128.load(zeros);
    least = i16x8.min_s(least, zero);
    most = i16x8.max_s(most, zero);
    const a = v128.load(scales);
    const b = v128.load(scales, 16);
    notFinite = v128.or(notFinite, i32x4.eq(v128.and(a, infinite), infinite));
    notFinite = v128.or(notFinite, i32x4.eq(v128.and(b, infinite), infinite));
    negative = v128.or(negative, v128.or(f32x4.lt(a, none), f32x4.lt(b, none)));
    notBfloat = v128.or(notBfloat, v128.and(v128.or(a, b), lower));
    notHalf = v128.or(notHalf, changedByHalf(a, b));
    const offsetA = f32x4.mul(a, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(zero)));
    const offsetB = f32x4.mul(b, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(zero)));
    offsetNotHalf = v128.or(offsetNotHalf, changedByHalf(offsetA, offsetB));
  }
  v128.store(range, least);
  v128.store(range, most, 16);
  return (
    <i32>v128.any_true(notFinite) |
    (<i32>v128.any_true(negative) << 1) |
    (<i32>v128.any_true(notHalf) << 2) |
    (<i32>v128.any_true(notBfloat) << 3) |
    (<i32>v128.any_true(offsetNotHalf) << 4)
  );
}

const widened = memory.data(64, 16);

/** Lanes where an f32 is not an f16 value. */
function changedByHalf(a: v128, b: v128): v128 {
  const narrow = i16x8.narrow_i32x4_u(narrowToHalves(a), narrowToHalves(b));
  v128.store(halves, narrow);
  v128.store(halves, narrow, 16);
  widenHalves(halves, 16, widened);
  return v128.or(f32x4.ne(v128.load(widened), a), f32x4.ne(v128.load(widened, 16), b));
}
