/**
 * Twin of `nearestOfEight` in src/types/iq/nearest.ts: the nearest of a codebook's groups by ggml's rounded sums, the first
 * of equal ones. Codebooks are read as src/types/iq/kernel-codebook.ts writes them. Groups of four: see fours.ts.
 *
 * The lists are long. Errors are first measured in bytes, 16 members at a time: in units of about a
 * hundredth of the least expected error, by how much they exceed the error of the best levels. Each of eight terms is
 * rounded by at most half a unit, so the nearest member is at most 8 units above the least sum. Every member within 9
 * units of the least sum is measured as ggml does. The ninth unit is for rounded sums: a unit is at least 2^-16 of the
 * group's Σ weight × value², and this part of the unit alone is many times the rounding error of eight errors and their
 * sum.
 */
/** Where a codebook's grid begins: after the map. */
export const EIGHTS_MAP: usize = 4 * 6564;

// prettier-ignore
const patterns = memory.data<u8>([
  // from a byte for each of (level, weight) to tables by (level + 4 × next level): first and second, third and fourth weight
  0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12,
  1, 1, 1, 1, 5, 5, 5, 5, 9, 9, 9, 9, 13, 13, 13, 13,
  2, 6, 10, 14, 2, 6, 10, 14, 2, 6, 10, 14, 2, 6, 10, 14,
  3, 3, 3, 3, 7, 7, 7, 7, 11, 11, 11, 11, 15, 15, 15, 15,
  15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
  9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
]);

// prettier-ignore
const constants = memory.data<u32>([
  0x4b000000, 0x4b000000, 0x4b000000, 0x4b000000, // 2^23
  0x000000ff, 0x000000ff, 0x000000ff, 0x000000ff,
]);

/**
 * Error of each weight of an eight at each level, 32 bytes a level; the fourth level, of the fillers of a block, is
 * infinite.
 */
// prettier-ignore
const errors = memory.data<u32>([
  0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0,
  0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000,
]);

/** The sums of a list's blocks, 16 bytes each. */
const sums: usize = memory.data(64 * 16);

/** How far an error exceeds the least of its weight, in units: integers in lanes, not yet limited to bytes. */
// @ts-ignore: decorator
@inline
function excess(error: v128, least: v128, inverseUnit: v128): v128 {
  const magic = v128.load(constants);
  return i32x4.sub(f32x4.add(f32x4.mul(f32x4.sub(error, least), inverseUnit), magic), magic);
}

/** The errors of four weights, to `errors`, and the bytes of (level, weight); those of the fourth level are 255. */
// @ts-ignore: decorator
@inline
function measureFour(
  wanted: v128,
  weight: v128,
  value0: v128,
  value1: v128,
  value2: v128,
  inverseUnit: v128,
  to: usize,
): v128 {
  const d0 = f32x4.sub(value0, wanted);
  const d1 = f32x4.sub(value1, wanted);
  const d2 = f32x4.sub(value2, wanted);
  const e0 = f32x4.mul(f32x4.mul(weight, d0), d0);
  const e1 = f32x4.mul(f32x4.mul(weight, d1), d1);
  const e2 = f32x4.mul(f32x4.mul(weight, d2), d2);
  v128.store(to, e0);
  v128.store(to, e1, 32);
  v128.store(to, e2, 64);
  const least = f32x4.pmin(f32x4.pmin(e0, e1), e2);
  return i8x16.narrow_i16x8_u(
    i16x8.narrow_i32x4_s(excess(e0, least, inverseUnit), excess(e1, least, inverseUnit)),
    i16x8.narrow_i32x4_s(excess(e2, least, inverseUnit), v128.load(constants, 16)),
  );
}

/** ggml's sum for the member whose word has these bytes. */
// @ts-ignore: decorator
@inline
function exactSum(low: u32, high: u32): f32 {
  let sum = load<f32>(errors + ((low & 3) << 5));
  sum += load<f32>(errors + ((low & 12) << 3), 4);
  sum += load<f32>(errors + ((low & 48) << 1), 8);
  sum += load<f32>(errors + ((low >> 6) << 5), 12);
  sum += load<f32>(errors + ((high & 3) << 5), 16);
  sum += load<f32>(errors + ((high & 12) << 3), 20);
  sum += load<f32>(errors + ((high & 48) << 1), 24);
  return sum + load<f32>(errors + ((high >> 6) << 5), 28);
}

// @ts-ignore: decorator
@inline
function exactSumOf(list: usize, member: usize): f32 {
  const at = list + ((member >> 4) << 5) + (member & 15);
  return exactSum(<u32>load<u8>(at), <u32>load<u8>(at, 16));
}

/**
 * The code of the nearest group of eight in the list that the entry of a map names. `values` are the levels' values times
 * the scale, in three vectors of equal lanes.
 */
export function nearestOfEight(
  codebook: usize,
  entry: i32,
  wanted: usize,
  weights: usize,
  value0: f32,
  value1: f32,
  value2: f32,
  inverseUnit: f32,
): u32 {
  const place = <usize>~entry;
  const blocks = place & 63;
  const list = codebook + ((place >> 6) << 4);
  const v0 = f32x4.splat(value0);
  const v1 = f32x4.splat(value1);
  const v2 = f32x4.splat(value2);
  const unit = f32x4.splat(inverseUnit);
  const low = measureFour(v128.load(wanted), v128.load(weights), v0, v1, v2, unit, errors);
  const high = measureFour(v128.load(wanted, 16), v128.load(weights, 16), v0, v1, v2, unit, errors + 16);
  const evens0 = v128.load(patterns);
  const evens1 = v128.load(patterns, 16);
  const odds0 = v128.load(patterns, 32);
  const odds1 = v128.load(patterns, 48);
  const table0 = i8x16.add_sat_u(i8x16.swizzle(low, evens0), i8x16.swizzle(low, evens1));
  const table1 = i8x16.add_sat_u(i8x16.swizzle(low, odds0), i8x16.swizzle(low, odds1));
  const table2 = i8x16.add_sat_u(i8x16.swizzle(high, evens0), i8x16.swizzle(high, evens1));
  const table3 = i8x16.add_sat_u(i8x16.swizzle(high, odds0), i8x16.swizzle(high, odds1));
  const mask = v128.load(patterns, 64);
  const end = list + (blocks << 5);
  let least = i8x16.splat(-1);
  for (let at = list, to = sums; at < end; at += 32, to += 16) {
    const first = v128.load(at);
    const second = v128.load(at, 16);
    const sum = i8x16.add_sat_u(
      i8x16.add_sat_u(
        i8x16.swizzle(table0, v128.and(first, mask)),
        i8x16.swizzle(table1, v128.and(i16x8.shr_u(first, 4), mask)),
      ),
      i8x16.add_sat_u(
        i8x16.swizzle(table2, v128.and(second, mask)),
        i8x16.swizzle(table3, v128.and(i16x8.shr_u(second, 4), mask)),
      ),
    );
    v128.store(to, sum);
    least = i8x16.min_u(least, sum);
  }
  least = i8x16.min_u(least, v128.shuffle<i64>(least, least, 1, 0));
  least = i8x16.min_u(least, v128.shuffle<i32>(least, least, 1, 0, 3, 2));
  least = i8x16.min_u(least, i32x4.shr_u(least, 16));
  least = i8x16.min_u(least, i16x8.shr_u(least, 8));
  const floor = i8x16.extract_lane_u(least, 0);
  if (floor > 245) {
    // the unit is too small to distinguish members
    return nearestOfEight(codebook, entry, wanted, weights, value0, value1, value2, inverseUnit / 16);
  }
  const limit = i8x16.add(i8x16.splat(<i8>floor), v128.load(patterns, 80));
  let found: usize = ~0;
  let best: f32 = -1;
  for (let block: usize = 0; block < blocks; block++) {
    const sum = v128.load(sums + (block << 4));
    for (let left = i8x16.bitmask(i8x16.eq(i8x16.min_u(sum, limit), sum)); left != 0; left &= left - 1) {
      const member = (block << 4) + <usize>ctz(left);
      if (found == ~0) found = member;
      else {
        if (best < 0) best = exactSumOf(list, found);
        const other = exactSumOf(list, member);
        if (other < best) {
          best = other;
          found = member;
        }
      }
    }
  }
  return <u32>load<u16>(end + (found << 1));
}
