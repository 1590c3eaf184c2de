/** Twin of `bestShares` in src/search-scales.ts: two scales at a time, each in a lane of doubles. */

/** The fields of this class are those of `placeShares` in src/kernels/search-scales-twin.ts, in the same order. */
@unmanaged
class SharedRows {
  /** f32[rows][size] */
  values: usize;
  rows: i32;
  /** Weights of a row. */
  size: i32;
  /** f32[size]; 0 where errors are cubed. */
  importance: usize;
  /** f32[rows]: each row's step without clipping. */
  steps: usize;
  /** f32[16], rising. */
  scales: usize;
  /** 2^(bits − 1) */
  zero: i32;
  /** u8[rows]: the chosen scale of each row. */
  nibbles: usize;
}

/** Scales that a row tries, the largest first, and their errors. */
const tried = memory.data(8 * 18, 16);
const errors = memory.data(8 * 18, 16);

/** All bits of a double but the sign: loaded, because V8 rebuilds a constant at every use. */
const magnitudes = memory.data<u64>([0x7fffffffffffffff, 0x7fffffffffffffff]);

// @ts-ignore: decorator
@inline
function differences(value: v128, inverse: v128, scale: v128, lowest: v128, highest: v128): v128 {
  const steps = f64x2.nearest(f64x2.mul(value, inverse));
  const level = f64x2.pmax(f64x2.pmin(steps, highest), lowest);
  return f64x2.sub(f64x2.mul(level, scale), value);
}

// @ts-ignore: decorator
@inline
function inverseOf(scale: v128): v128 {
  const none = f64x2.eq(scale, f64x2.splat(0));
  return v128.andnot(f64x2.div(f64x2.splat(1), scale), none);
}

/** The errors of a row at four of the scales to try. */
function rowErrors(values: usize, importance: usize, size: i32, at: usize, zero: i32): void {
  const scale = v128.load(tried + at);
  const other = v128.load(tried + at, 16);
  const inverse = inverseOf(scale);
  const otherInverse = inverseOf(other);
  const lowest = f64x2.splat(-(<f64>zero));
  const highest = f64x2.splat(<f64>(zero - 1));
  let sum = f64x2.splat(0);
  let otherSum = sum;
  if (importance === 0) {
    const magnitude = v128.load(magnitudes);
    for (const end = values + ((<usize>size) << 2); values < end; values += 4) {
      const value = f64x2.splat(<f64>load<f32>(values));
      const a = differences(value, inverse, scale, lowest, highest);
      const b = differences(value, otherInverse, other, lowest, highest);
      sum = f64x2.add(sum, f64x2.mul(f64x2.mul(a, a), v128.and(a, magnitude)));
      otherSum = f64x2.add(otherSum, f64x2.mul(f64x2.mul(b, b), v128.and(b, magnitude)));
    }
  } else {
    for (const end = values + ((<usize>size) << 2); values < end; values += 4, importance += 4) {
      const value = f64x2.splat(<f64>load<f32>(values));
      const weight = f64x2.splat(<f64>load<f32>(importance));
      const a = differences(value, inverse, scale, lowest, highest);
      const b = differences(value, otherInverse, other, lowest, highest);
      sum = f64x2.add(sum, f64x2.mul(weight, f64x2.mul(a, a)));
      otherSum = f64x2.add(otherSum, f64x2.mul(weight, f64x2.mul(b, b)));
    }
  }
  v128.store(errors + at, sum);
  v128.store(errors + at, otherSum, 16);
}

/** Writes the best scale of each row; returns the sum of their errors, which goes on from `before`. */
export function bestShares(at: SharedRows, least: f64, most: f64, before: f64): f64 {
  const size = at.size;
  const scales = at.scales;
  let values = at.values;
  for (let row: usize = 0; row < <usize>at.rows; row++, values += (<usize>size) << 2) {
    const step = <f64>load<f32>(at.steps + (row << 2));
    // as many as the twin tries: those that are not too large, and of the smaller ones at least the first
    let first = 15;
    while (first > 0 && <f64>load<f32>(scales + ((<usize>first) << 2)) > step * most) first--;
    let count: i32 = 0;
    for (let candidate = first; candidate >= 0; candidate--, count++) {
      const scale = <f64>load<f32>(scales + ((<usize>candidate) << 2));
      if (scale < step * least && count > 0) break;
      store<f64>(tried + ((<usize>count) << 3), scale);
    }
    let nibble = 0;
    let error: f64 = Infinity;
    for (let done: i32 = 0; done < count; done += 4) {
      rowErrors(values, at.importance, size, (<usize>done) << 3, at.zero);
      for (let i = done; i < min(done + 4, count); i++) {
        const own = load<f64>(errors + ((<usize>i) << 3));
        if (own < error) {
          error = own;
          nibble = first - i;
        }
      }
    }
    store<u8>(at.nibbles + row, <u8>nibble);
    before += error;
  }
  return before;
}
