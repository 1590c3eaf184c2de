/** Levels of the largest magnitude of a group that its small magnitudes allow, by tables of their ratios. */

/** The last level that the tables tell about. */
const LAST_LIKELY = 128;

/** Ratios of one bf16 number share a row. Row 0 is for ratios below 2^-8, and for none: it allows all levels. */
const FIRST_BITS = 0x3b80;
const ROWS = 0x3f80 - FIRST_BITS + 2;
/** More than the relative errors of two bf16 numbers together. */
const DOUBT: f32 = 0.0081;

/** 16 bytes for each row: a bit for each level of the largest magnitude, from 1 on. */
const likely: usize = memory.data(16 * ROWS, 16);
let areMade = false;

function makeTables(): void {
  areMade = true;
  v128.store(likely, i32x4.splat(-1));
  for (let row = 1; row < ROWS; row++) {
    const low = reinterpret<f32>((FIRST_BITS + row - 1) << 16) * (1 - DOUBT);
    const high = reinterpret<f32>((FIRST_BITS + row) << 16) * (1 + DOUBT);
    for (let top = 1; top <= LAST_LIKELY; top++) {
      if (floor(high * <f32>top) < max<f32>(1, ceil(low * <f32>top))) continue;
      const place = likely + 16 * row + ((top - 1) >> 3);
      store<u8>(place, load<u8>(place) | (<u8>1 << <u8>((top - 1) & 7)));
    }
  }
}

/** The tables. */
export function likelyTable(): usize {
  if (!areMade) makeTables();
  return likely;
}

/** Where the rows of four parts of a largest magnitude begin, in bytes from the start of the tables. */
// @ts-ignore: decorator
@inline
export function likelyRow(part: v128): v128 {
  return i32x4.shl(i32x4.max_s(i32x4.sub(i32x4.shr_u(part, 16), i32x4.splat(FIRST_BITS - 1)), i32x4.splat(0)), 4);
}

// @ts-ignore: decorator
@inline
function row(place: i32): v128 {
  return v128.load(likely + place);
}

/** The levels that eight magnitudes allow, as parts of the largest one: a bit for each, from 1 on. */
export function likelySteps(parts: v128, more: v128): v128 {
  if (!areMade) makeTables();
  const a = likelyRow(parts);
  const b = likelyRow(more);
  return v128.and(
    v128.and(v128.and(row(i32x4.extract_lane(a, 0)), row(i32x4.extract_lane(a, 1))), v128.and(row(i32x4.extract_lane(a, 2)), row(i32x4.extract_lane(a, 3)))),
    v128.and(v128.and(row(i32x4.extract_lane(b, 0)), row(i32x4.extract_lane(b, 1))), v128.and(row(i32x4.extract_lane(b, 2)), row(i32x4.extract_lane(b, 3)))),
  );
}
