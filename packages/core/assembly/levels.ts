/** Twin of `dequantizeLevels` in src/view/level-view.ts. */

/**
 * Rows of codes and the places of their values. The fields of this class are those of `placeLevelRuns` in
 * src/kernels/level-twin.ts, in the same order.
 */
@unmanaged
class LevelRuns {
  codes: usize;
  /** Bytes from row to row. */
  codeStep: usize;
  rows: i32;
  /** Group, first column, end of each run of columns of one group: i32 each. */
  runs: usize;
  runCount: i32;
  /** f32, `groupCount` per row. */
  scales: usize;
  /** The same; where there are none, numbers that change nothing: −0. */
  biases: usize;
  groupCount: i32;
  /** f32 by code; 0 where each code is its own level. */
  levels: usize;
  levelCount: i32;
  out: usize;
  /** Bytes from row to row. */
  outStep: usize;
}

/** Rows of codes to f32: scale × level + bias, each step rounded. */
export function dequantizeLevels(at: LevelRuns): void {
  let codes = at.codes;
  let scales = at.scales;
  let biases = at.biases;
  let out = at.out;
  const codeStep = at.codeStep;
  const groupCount = at.groupCount;
  const levels = at.levels;
  const levelCount = at.levelCount;
  const outStep = at.outStep;
  const runs = at.runs;
  const runsEnd = runs + 12 * <usize>at.runCount;
  if (levels != 0 && levelCount == 16) preparePlanes(levels);
  for (let rows = at.rows; rows > 0; rows--) {
    for (let run = runs; run < runsEnd; run += 12) {
      const group = <usize>load<i32>(run);
      const column = <usize>load<i32>(run, 4);
      const count = load<i32>(run, 8) - <i32>column;
      const scale = load<f32>(scales + 4 * group);
      const bias = load<f32>(biases + 4 * group);
      const from = codes + column;
      const to = out + 4 * column;
      if (levels == 0) integers(from, count, scale, bias, to);
      else if (levelCount == 16) nibbleLevels(from, count, scale, bias, to, levels);
      else byteLevels(from, count, scale, bias, to, levels);
    }
    codes += codeStep;
    out += outStep;
    scales += 4 * <usize>groupCount;
    biases += 4 * <usize>groupCount;
  }
}

// @ts-ignore: decorator
@inline
function integers(from: usize, count: i32, scale: f32, bias: f32, to: usize): void {
  const scale4 = f32x4.splat(scale);
  const bias4 = f32x4.splat(bias);
  const end = from + <usize>count;
  for (; from + 16 <= end; from += 16, to += 64) {
    const bytes = v128.load(from);
    const low = i16x8.extend_low_i8x16_u(bytes);
    const high = i16x8.extend_high_i8x16_u(bytes);
    v128.store(to, affine(i32x4.extend_low_i16x8_s(low), scale4, bias4));
    v128.store(to, affine(i32x4.extend_high_i16x8_s(low), scale4, bias4), 16);
    v128.store(to, affine(i32x4.extend_low_i16x8_s(high), scale4, bias4), 32);
    v128.store(to, affine(i32x4.extend_high_i16x8_s(high), scale4, bias4), 48);
  }
  for (; from < end; from++, to += 4) store<f32>(to, scale * <f32>load<u8>(from) + bias);
}

// @ts-ignore: decorator
@inline
function affine(codes: v128, scales: v128, biases: v128): v128 {
  return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(codes), scales), biases);
}

/** The first, second, third and fourth byte of sixteen f32, sixteen of each together. */
const planes = memory.data(64, 16);

function preparePlanes(levels: usize): void {
  for (let plane: usize = 0; plane < 4; plane++) {
    for (let code: usize = 0; code < 16; code++) {
      store<u8>(planes + 16 * plane + code, load<u8>(levels + 4 * code + plane));
    }
  }
}

// @ts-ignore: decorator
@inline
function nibbleLevels(from: usize, count: i32, scale: f32, bias: f32, to: usize, levels: usize): void {
  const scale4 = f32x4.splat(scale);
  const bias4 = f32x4.splat(bias);
  const first = v128.load(planes);
  const second = v128.load(planes, 16);
  const third = v128.load(planes, 32);
  const fourth = v128.load(planes, 48);
  const end = from + <usize>count;
  for (; from + 16 <= end; from += 16, to += 64) {
    const codes = v128.load(from);
    const a = i8x16.swizzle(first, codes);
    const b = i8x16.swizzle(second, codes);
    const c = i8x16.swizzle(third, codes);
    const d = i8x16.swizzle(fourth, codes);
    const lowAb = v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const lowCd = v128.shuffle<u8>(c, d, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const highAb = v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const highCd = v128.shuffle<u8>(c, d, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    v128.store(to, scaled(v128.shuffle<u16>(lowAb, lowCd, 0, 8, 1, 9, 2, 10, 3, 11), scale4, bias4));
    v128.store(to, scaled(v128.shuffle<u16>(lowAb, lowCd, 4, 12, 5, 13, 6, 14, 7, 15), scale4, bias4), 16);
    v128.store(to, scaled(v128.shuffle<u16>(highAb, highCd, 0, 8, 1, 9, 2, 10, 3, 11), scale4, bias4), 32);
    v128.store(to, scaled(v128.shuffle<u16>(highAb, highCd, 4, 12, 5, 13, 6, 14, 7, 15), scale4, bias4), 48);
  }
  byteLevels(from, <i32>(end - from), scale, bias, to, levels);
}

// @ts-ignore: decorator
@inline
function scaled(values: v128, scales: v128, biases: v128): v128 {
  return f32x4.add(f32x4.mul(values, scales), biases);
}

function byteLevels(from: usize, count: i32, scale: f32, bias: f32, to: usize, levels: usize): void {
  const scale4 = f32x4.splat(scale);
  const bias4 = f32x4.splat(bias);
  const end = from + <usize>count;
  for (; from + 4 <= end; from += 4, to += 16) {
    let values = v128.load32_zero(levels + 4 * <usize>load<u8>(from));
    values = f32x4.replace_lane(values, 1, load<f32>(levels + 4 * <usize>load<u8>(from, 1)));
    values = f32x4.replace_lane(values, 2, load<f32>(levels + 4 * <usize>load<u8>(from, 2)));
    values = f32x4.replace_lane(values, 3, load<f32>(levels + 4 * <usize>load<u8>(from, 3)));
    v128.store(to, scaled(values, scale4, bias4));
  }
  for (; from < end; from++, to += 4) {
    store<f32>(to, scale * load<f32>(levels + 4 * <usize>load<u8>(from)) + bias);
  }
}
