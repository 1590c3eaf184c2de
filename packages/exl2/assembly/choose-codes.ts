/** Twin of `roundCodes` in src/choose-codes.ts. */
import { narrowToHalves, widenLanes } from "../../core/assembly/half";

/** The fields of this class are those of `placeCodes` in src/kernels/choose-codes-twin.ts, in the same order. */
@unmanaged
class CodedRows {
  /** f32[rows][size] */
  values: usize;
  rows: i32;
  /** Weights of a row: a multiple of four. */
  size: i32;
  /** f32[size] */
  importance: usize;
  /** f32[rows] */
  scales: usize;
  /** 2^(bits − 1) */
  zero: i32;
  /** u8[rows][size] */
  codes: usize;
}

/** Of two weights, in lanes 0 and 1. */
// @ts-ignore: decorator
@inline
function levels(values: v128, scale: v128, lowest: v128, highest: v128): v128 {
  const steps = f64x2.nearest(f64x2.div(values, scale));
  return i32x4.trunc_sat_f64x2_s_zero(f64x2.pmax(f64x2.pmin(steps, highest), lowest));
}

/** Codes of rows whose scales are known. Returns the sum of the weighted squared errors, which goes on from `before`. */
export function roundCodes(at: CodedRows, before: f64): f64 {
  const size = <usize>at.size;
  const lowest = f64x2.splat(-(<f64>at.zero));
  const highest = f64x2.splat(<f64>(at.zero - 1));
  const zero = i32x4.splat(at.zero);
  let values = at.values;
  let codes = at.codes;
  let sum = before;
  for (let row: usize = 0; row < <usize>at.rows; row++) {
    const scale = load<f32>(at.scales + (row << 2));
    const scale4 = f32x4.splat(scale);
    // so that all levels are 0 where the scale is
    const divisor = f64x2.splat(scale == 0 ? <f64>Infinity : <f64>scale);
    let importance = at.importance;
    for (const end = codes + size; codes < end; codes += 4, values += 16, importance += 16) {
      const four = v128.load(values);
      const low = f64x2.promote_low_f32x4(four);
      const high = f64x2.promote_low_f32x4(i32x4.shuffle(four, four, 2, 3, 2, 3));
      const level = v128.shuffle<i64>(
        levels(low, divisor, lowest, highest),
        levels(high, divisor, lowest, highest),
        0,
        2,
      );
      const code = i32x4.add(level, zero);
      const narrow = i16x8.narrow_i32x4_u(code, code);
      v128.store32_lane(codes, i8x16.narrow_i16x8_u(narrow, narrow), 0);
      // a level and an f16 multiply to what an f32 holds
      const made = widenLanes(narrowToHalves(f32x4.mul(f32x4.convert_i32x4_s(level), scale4)));
      const lowError = f64x2.sub(low, f64x2.promote_low_f32x4(made));
      const highError = f64x2.sub(high, f64x2.promote_low_f32x4(i32x4.shuffle(made, made, 2, 3, 2, 3)));
      const weight = v128.load(importance);
      const lowWeight = f64x2.promote_low_f32x4(weight);
      const highWeight = f64x2.promote_low_f32x4(i32x4.shuffle(weight, weight, 2, 3, 2, 3));
      const lowCost = f64x2.mul(f64x2.mul(lowWeight, lowError), lowError);
      const highCost = f64x2.mul(f64x2.mul(highWeight, highError), highError);
      sum += f64x2.extract_lane(lowCost, 0);
      sum += f64x2.extract_lane(lowCost, 1);
      sum += f64x2.extract_lane(highCost, 0);
      sum += f64x2.extract_lane(highCost, 1);
    }
  }
  return sum;
}
