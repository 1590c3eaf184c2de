/** Twins of `findRanges` and `chooseCodes` in src/view/quantize.ts. */

/** The fields of this class are those of `placeGroups` in src/kernels/quantize-twin.ts, in the same order. */
@unmanaged
class RoundedRows {
  /** f32[rows][columns] */
  values: usize;
  rows: i32;
  columns: i32;
  /** Columns of a group; the last may be short. */
  size: i32;
  /** f32 for each row and group: the least value, or the scale. */
  first: usize;
  /** f32 for each row and group: the largest value, or the zero point. */
  second: usize;
  maxCode: i32;
  /** u8[rows][columns] */
  codes: usize;
}

// @ts-ignore: decorator
@inline
function leastOf(v: v128): f32 {
  const half = f32x4.pmin(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmin(half, v128.shuffle<i32>(half, half, 1, 0, 3, 2)), 0);
}

// @ts-ignore: decorator
@inline
function mostOf(v: v128): f32 {
  const half = f32x4.pmax(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(half, v128.shuffle<i32>(half, half, 1, 0, 3, 2)), 0);
}

/** The least and the largest value of each group, 0 included; NaN for the largest where one is not finite. */
export function groupRanges(at: RoundedRows): void {
  let value = at.values;
  let first = at.first;
  let second = at.second;
  const columns = at.columns;
  const size = at.size;
  for (let row = at.rows; row > 0; row--) {
    for (let start = 0; start < columns; start += size, first += 4, second += 4) {
      const end = value + ((<usize>min(size, columns - start)) << 2);
      let low = f32x4.splat(0);
      let high = low;
      // stays 0 as long as all values are finite
      let odd = low;
      for (; value + 32 <= end; value += 32) {
        const one = v128.load(value);
        const other = v128.load(value, 16);
        low = f32x4.pmin(low, f32x4.pmin(one, other));
        high = f32x4.pmax(high, f32x4.pmax(one, other));
        odd = v128.or(odd, v128.or(f32x4.sub(one, one), f32x4.sub(other, other)));
      }
      let least = leastOf(low);
      let most = mostOf(high);
      let isOdd = v128.any_true(odd);
      for (; value < end; value += 4) {
        const one = load<f32>(value);
        if (one < least) least = one;
        if (one > most) most = one;
        isOdd = isOdd || one - one != 0;
      }
      store<f32>(first, least);
      store<f32>(second, isOdd ? <f32>NaN : most);
    }
  }
}

/** The quotient in f32 is at most this far from the exact one, where codes are not beyond the ends. */
const DOUBT: f32 = 0.5 - 0.0001;

// @ts-ignore: decorator
@inline
function steps(values: v128, scale: v128, scaleNumber: f32): v128 {
  const quotients = f32x4.div(values, scale);
  const near = f32x4.nearest(quotients);
  const far = f32x4.gt(f32x4.abs(f32x4.sub(quotients, near)), f32x4.splat(DOUBT));
  return v128.any_true(far) ? exactSteps(values, scaleNumber) : near;
}

/** Quotients that are about halfway between two codes: divided in doubles, as the twin does. */
function exactSteps(values: v128, scale: f32): v128 {
  const divisor = f64x2.splat(<f64>scale);
  const low = f64x2.promote_low_f32x4(values);
  const high = f64x2.promote_low_f32x4(v128.shuffle<i32>(values, values, 2, 3, 0, 1));
  const one = f32x4.demote_f64x2_zero(f64x2.nearest(f64x2.div(low, divisor)));
  const other = f32x4.demote_f64x2_zero(f64x2.nearest(f64x2.div(high, divisor)));
  return v128.shuffle<i64>(one, other, 0, 2);
}

// @ts-ignore: decorator
@inline
function codes4(values: v128, scale: v128, scaleNumber: f32, zero: v128, last: v128): v128 {
  const code = f32x4.add(steps(values, scale, scaleNumber), zero);
  return i32x4.trunc_sat_f32x4_s(f32x4.pmin(f32x4.pmax(code, f32x4.splat(0)), last));
}

/** The nearest code of each value; ties go to the even number of steps. */
export function nearestCodes(at: RoundedRows): void {
  let value = at.values;
  let codes = at.codes;
  let scales = at.first;
  let zeros = at.second;
  const columns = at.columns;
  const size = at.size;
  const last = f32x4.splat(<f32>at.maxCode);
  for (let row = at.rows; row > 0; row--) {
    for (let start = 0; start < columns; start += size, scales += 4, zeros += 4) {
      const count = <usize>min(size, columns - start);
      const end = codes + count;
      const scale = load<f32>(scales);
      const zeroNumber = load<f32>(zeros);
      if (scale == 0) {
        memory.fill(codes, <u8>(<i32>zeroNumber), count);
        codes = end;
        value += count << 2;
        continue;
      }
      const scale4 = f32x4.splat(scale);
      const zero = f32x4.splat(zeroNumber);
      for (; codes + 16 <= end; codes += 16, value += 64) {
        const a = codes4(v128.load(value), scale4, scale, zero, last);
        const b = codes4(v128.load(value, 16), scale4, scale, zero, last);
        const c = codes4(v128.load(value, 32), scale4, scale, zero, last);
        const d = codes4(v128.load(value, 48), scale4, scale, zero, last);
        const low = i16x8.narrow_i32x4_s(a, b);
        v128.store(codes, i8x16.narrow_i16x8_u(low, i16x8.narrow_i32x4_s(c, d)));
      }
      for (; codes < end; codes++, value += 4) {
        const step = nearest(<f64>load<f32>(value) / <f64>scale) + <f64>zeroNumber;
        store<u8>(codes, <u8>(<i32>max(0, min(<f64>at.maxCode, step))));
      }
    }
  }
}
