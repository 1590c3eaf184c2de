/** Twin of src/grid.ts and of the look at every code that src/grid-fit.ts takes. */
import { narrowToHalves, widenHalves } from "./half";

/**
 * Rows of codes to f32. `runs`: group, first column, end of each run of columns of one group, i32 each. Steps from row to
 * row in bytes; scales are f32 and zeros i16, `groupCount` per row.
 */
export function dequantizeGrid(
  codes: usize,
  codeStep: usize,
  rows: i32,
  runs: usize,
  runCount: i32,
  scales: usize,
  zeros: usize,
  groupCount: i32,
  out: usize,
  outStep: usize,
): void {
  const runsEnd = runs + 12 * <usize>runCount;
  for (; rows > 0; rows--) {
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
