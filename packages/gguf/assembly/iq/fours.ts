/**
 * Places groups of four weights on a grid of eight levels, under all scales that are tried: twin of `nearestOfFour` in
 * src/types/iq/nearest.ts. Codebooks are read as src/types/iq/kernel-codebook.ts writes them.
 *
 * A list has for each member the steps n from the levels that the weights round to. With y the wanted levels (not rounded),
 * l the rounded ones and w the weights, a member's error is Σ w (l + n − y)², in units of 4 × scale². What differs between
 * members is Σ 2w (l − y) n + Σ w n². It is measured in whole numbers: w of at most 10000, which rounding moves by at most
 * ½ for each n and n², so by Σ n² for a member. Two of ggml's rounded sums differ from the exact ones by less than 8 of
 * these units, as long as |l − y| ≤ 1.6. So a member that is nearer than all others by more than twice the list's largest
 * Σ n² and 8 is the nearest for ggml as well. Where several are nearer, ggml's sums are computed for them.
 *
 * Under the next scale most groups round to the same levels. Then their list is the same and y alone has changed: each
 * member's number is linear in the inverse scale, and who is clearly nearest under two scales is so under all between.
 */

/** The scales that are tried, at most 32, and their inverses. */
export const scales: usize = memory.data(128);
export const inverses: usize = memory.data(128);

/** Where a codebook's grid begins: after the map. */
export const FOURS_MAP: usize = 4 * 4096;

/** Says that no other member of a list comes near. */
const CLEAR: u32 = 0x10000;

/** Indices to the map under each scale. */
const indices: usize = memory.data(144);

/** The numbers of a list's members. */
const sums: usize = memory.data(64 * 64);

// prettier-ignore
const constants = memory.data<u32>([
  0x3f000000, 0x3f000000, 0x3f000000, 0x3f000000, // 0.5
  0x40e00000, 0x40e00000, 0x40e00000, 0x40e00000, // 7
  0x41000000, 0x41000000, 0x41000000, 0x41000000, // 8
  0x4b000000, 0x4b000000, 0x4b000000, 0x4b000000, // 2^23
  0x00000fff, 0x00000fff, 0x00000fff, 0x00000fff,
  0x00000007, 0x00000038, 0x000001c0, 0x00000e00,
  0x3f800000, 0x3e000000, 0x3c800000, 0x3b000000, // 8^0, 8^-1, 8^-2, 8^-3
  0x3fcccccd, 0x3fcccccd, 0x3fcccccd, 0x3fcccccd, // 1.6
  0x4b400000, 0x4b400000, 0x4b400000, 0x4b400000, // 1.5 × 2^23
  0x0000ffff, 0x0000ffff, 0x0000ffff, 0x0000ffff,
  0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff,
]);

/** The level of a weight under four inverse scales, halved. */
// @ts-ignore: decorator
@inline
function levelOf(halved: v128, magnitude: v128): v128 {
  const level = f32x4.nearest(f32x4.sub(f32x4.mul(halved, magnitude), v128.load(constants)));
  return f32x4.pmin(f32x4.pmax(level, f32x4.splat(0)), v128.load(constants, 16));
}

/** ggml's sum for the group with this code. */
// @ts-ignore: decorator
@inline
function exactSum(codebook: usize, code: usize, wanted: v128, weights: v128, scale: v128): f32 {
  const bytes = v128.load32_zero(codebook + FOURS_MAP + (code << 2));
  const values = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes)));
  const d = f32x4.sub(f32x4.mul(scale, values), wanted);
  const e = f32x4.mul(f32x4.mul(weights, d), d);
  const sum = f32x4.extract_lane(e, 0) + f32x4.extract_lane(e, 1) + f32x4.extract_lane(e, 2);
  return sum + f32x4.extract_lane(e, 3);
}

// @ts-ignore: decorator
@inline
function sumOfFour(at: usize, c0: v128, c1: v128, c2: v128, c3: v128): v128 {
  return i32x4.add(
    i32x4.add(i32x4.dot_i16x8_s(v128.load(at), c0), i32x4.dot_i16x8_s(v128.load(at, 16), c1)),
    i32x4.add(i32x4.dot_i16x8_s(v128.load(at, 32), c2), i32x4.dot_i16x8_s(v128.load(at, 48), c3)),
  );
}

/** Coefficients of a group's members under one of the scales: 2w (l − y), and w, in 16 bits each. */
// @ts-ignore: decorator
@inline
function coefficients(levels: v128, wanted: v128, twice: v128, wholes: v128, trial: usize): v128 {
  const half = v128.load(constants);
  const inverse = v128.load32_splat(inverses + (trial << 2));
  const distance = f32x4.sub(levels, f32x4.sub(f32x4.mul(f32x4.mul(inverse, half), wanted), half));
  const isPrecise = f32x4.le(f32x4.abs(distance), v128.load(constants, 112));
  const slope = f32x4.add(f32x4.mul(twice, distance), v128.load(constants, 128));
  const pairs = v128.or(v128.and(slope, v128.load(constants, 144)), wholes);
  // where numbers are not precise, all members are equal, and ggml's sums decide
  return i32x4.all_true(isPrecise) ? pairs : i32x4.splat(0);
}

/** The least of four in all lanes, and what a list allows above it. */
// @ts-ignore: decorator
@inline
function limitOf(four: v128, margin: v128): v128 {
  const two = i32x4.min_s(four, v128.shuffle<i64>(four, four, 1, 0));
  return i32x4.add(i32x4.min_s(two, v128.shuffle<i32>(two, two, 1, 0, 3, 2)), margin);
}

/** A bit for each of 16 numbers that are within a limit. */
// @ts-ignore: decorator
@inline
function within(at: usize, limit: v128): i32 {
  const n0 = i16x8.narrow_i32x4_s(
    i32x4.le_s(v128.load(at), limit),
    i32x4.le_s(v128.load(at, 16), limit),
  );
  const n1 = i16x8.narrow_i32x4_s(
    i32x4.le_s(v128.load(at, 32), limit),
    i32x4.le_s(v128.load(at, 48), limit),
  );
  return i8x16.bitmask(i8x16.narrow_i16x8_s(n0, n1));
}

/** Sums of 16 members to `to`; returns the least of them and `least`. */
// @ts-ignore: decorator
@inline
function sumOfSixteen(at: usize, c0: v128, c1: v128, c2: v128, c3: v128, to: usize): v128 {
  const s0 = sumOfFour(at, c0, c1, c2, c3);
  const s1 = sumOfFour(at + 64, c0, c1, c2, c3);
  const s2 = sumOfFour(at + 128, c0, c1, c2, c3);
  const s3 = sumOfFour(at + 192, c0, c1, c2, c3);
  v128.store(to, s0);
  v128.store(to, s1, 16);
  v128.store(to, s2, 32);
  v128.store(to, s3, 48);
  return i32x4.min_s(i32x4.min_s(s0, s1), i32x4.min_s(s2, s3));
}

/** The first of the nearest by ggml's sums, among members whose numbers are within the limit. */
function nearestWithin(
  codebook: usize,
  codes: usize,
  blocks: usize,
  limit: v128,
  wanted: v128,
  weights: v128,
  trial: usize,
): u32 {
  const scale = v128.load32_splat(scales + (trial << 2));
  let found: u32 = ~0;
  let isClear = true;
  let best: f32 = 0;
  for (let at = sums, to = codes; to < codes + (blocks << 5); at += 64, to += 32) {
    for (let left = within(at, limit); left != 0; left &= left - 1) {
      const code = <u32>load<u16>(to + (<usize>ctz(left) << 1));
      if (found == ~0) found = code;
      else if (code != found) {
        if (isClear) best = exactSum(codebook, found, wanted, weights, scale);
        isClear = false;
        const other = exactSum(codebook, code, wanted, weights, scale);
        if (other < best) {
          best = other;
          found = code;
        }
      }
    }
  }
  return isClear ? found | CLEAR : found;
}

/** The code of the nearest member of a list under one of the scales, and `CLEAR` where that holds. */
function nearest(
  codebook: usize,
  entry: i32,
  levels: v128,
  wanted: v128,
  weights: v128,
  twice: v128,
  wholes: v128,
  trial: usize,
): u32 {
  const pairs = coefficients(levels, wanted, twice, wholes, trial);
  const c0 = v128.shuffle<i32>(pairs, pairs, 0, 0, 0, 0);
  const c1 = v128.shuffle<i32>(pairs, pairs, 1, 1, 1, 1);
  const c2 = v128.shuffle<i32>(pairs, pairs, 2, 2, 2, 2);
  const c3 = v128.shuffle<i32>(pairs, pairs, 3, 3, 3, 3);
  const place = <usize>~entry;
  const list = codebook + ((place >> 6) << 4);
  const end = list + ((place & 63) << 8);
  let least = sumOfSixteen(list, c0, c1, c2, c3, sums);
  for (let at = list + 256, to = sums + 64; at < end; at += 256, to += 64) {
    least = i32x4.min_s(least, sumOfSixteen(at, c0, c1, c2, c3, to));
  }
  const limit = limitOf(least, v128.load(end));
  let marks = within(sums, limit);
  if ((place & 63) > 1) marks |= within(sums + 64, limit) << 16;
  if ((place & 63) < 3 && (marks & (marks - 1)) == 0) {
    return <u32>load<u16>(end + 16 + (<usize>ctz(marks) << 1)) | CLEAR;
  }
  return nearestWithin(codebook, end + 16, place & 63, limit, wanted, weights, trial);
}

/** Codes of the trials from `from` up to `end`, and of up to seven after them, which are then written again. */
// @ts-ignore: decorator
@inline
function fill(codes: usize, from: usize, end: usize, code: u32): void {
  const all = i16x8.splat(<i16>code);
  for (let at = codes + (from << 1); at < codes + (end << 1); at += 16) v128.store(at, all);
}

/** Codes of the trials `from` to `to`, of which `first` and `last` are known. */
function fillRun(
  codebook: usize,
  entry: i32,
  levels: v128,
  wanted: v128,
  weights: v128,
  twice: v128,
  wholes: v128,
  from: usize,
  first: u32,
  to: usize,
  last: u32,
  codes: usize,
): void {
  if (to - from < 2 || (first == last && first >= CLEAR)) {
    fill(codes, from, to, first);
    store<u16>(codes + (to << 1), <u16>last);
    return;
  }
  const middle = (from + to) >> 1;
  const code = nearest(codebook, entry, levels, wanted, weights, twice, wholes, middle);
  fillRun(codebook, entry, levels, wanted, weights, twice, wholes, from, first, middle, code, codes);
  fillRun(codebook, entry, levels, wanted, weights, twice, wholes, middle, code, to, last, codes);
}

/**
 * Codes of the group of magnitudes at `from` under the first `count` scales, to `codes`, which has room for 40. Bit n of
 * the result: what the group rounds to under scale n is missing in the grid.
 */
export function placeFour(codebook: usize, from: usize, roots: usize, count: usize, codes: usize): u32 {
  const wanted = v128.load(from);
  const weights = v128.load(roots);
  let most = f32x4.pmax(weights, v128.shuffle<i64>(weights, weights, 1, 0));
  most = f32x4.pmax(most, v128.shuffle<i32>(most, most, 1, 0, 3, 2));
  const largest = f32x4.extract_lane(most, 0);
  // the last scale is the least; squares that underflow are not precise
  const scale = load<f32>(scales + ((count - 1) << 2));
  const isPrecise = largest >= <f32>1e-15 && largest * scale * min(scale, <f32>1) >= <f32>1e-30;
  const whole = f32x4.mul(weights, f32x4.splat(isPrecise ? <f32>10000 / largest : 0));
  const twice = f32x4.add(whole, whole);
  const wholes = i32x4.shl(f32x4.add(whole, v128.load(constants, 128)), 16);
  const x0 = v128.load32_splat(from);
  const x1 = v128.load32_splat(from, 4);
  const x2 = v128.load32_splat(from, 8);
  const x3 = v128.load32_splat(from, 12);
  const eight = v128.load(constants, 32);
  for (let at: usize = 0; at < count << 2; at += 16) {
    const halved = f32x4.mul(v128.load(inverses + at), v128.load(constants));
    let index = f32x4.add(f32x4.mul(levelOf(halved, x3), eight), levelOf(halved, x2));
    index = f32x4.add(f32x4.mul(index, eight), levelOf(halved, x1));
    index = f32x4.add(f32x4.mul(index, eight), levelOf(halved, x0));
    v128.store(indices + at, v128.and(f32x4.add(index, v128.load(constants, 48)), v128.load(constants, 64)));
  }
  // bit n: the next trial rounds to other levels
  let changes: u32 = 0;
  for (let at: usize = 0; at < count << 2; at += 16) {
    const same = i32x4.eq(v128.load(indices + at), v128.load(indices + at, 4));
    changes |= <u32>(i32x4.bitmask(same) ^ 15) << <u32>(at >> 2);
  }
  changes |= 1 << <u32>(count - 1);
  let missing: u32 = 0;
  for (let trial: usize = 0; trial < count; ) {
    const last = <usize>ctz(changes);
    changes &= changes - 1;
    const index = load<u32>(indices + (trial << 2));
    const entry = load<i32>(codebook + (index << 2));
    if (entry >= 0) fill(codes, trial, last + 1, entry);
    else {
      missing |= ((2 << <u32>(last - trial)) - 1) << <u32>trial;
      const levels = f32x4.mul(
        f32x4.convert_i32x4_s(v128.and(i32x4.splat(index), v128.load(constants, 80))),
        v128.load(constants, 96),
      );
      const first = nearest(codebook, entry, levels, wanted, weights, twice, wholes, trial);
      if (last == trial) store<u16>(codes + (trial << 1), <u16>first);
      else {
        const code = nearest(codebook, entry, levels, wanted, weights, twice, wholes, last);
        fillRun(codebook, entry, levels, wanted, weights, twice, wholes, trial, first, last, code, codes);
      }
    }
    trial = last + 1;
  }
  return missing;
}
