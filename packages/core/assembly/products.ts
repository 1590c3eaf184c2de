/** Part of the twin of src/solve/quadratic-form.ts. Sixteen rows of changes lie column by column, a lane for each row. */

/** Bytes of one column of f32. */
const COLUMN: usize = 64;

/**
 * For each of `count` rows of moments, from row `first` on: the sum of its products with the columns behind its own.
 * @param moments f32[count][columns]
 * @param changes f32[columns][16]
 * @param to f32[count][16]
 */
export function productsBehind(
  moments: usize,
  changes: usize,
  columns: i32,
  first: i32,
  count: i32,
  to: usize,
): void {
  const stride = (<usize>columns) << 2;
  const end = changes + <usize>columns * COLUMN;
  let row = moments;
  let i = 0;
  for (; i + 2 <= count; i += 2, row += 2 * stride, to += 2 * COLUMN) {
    let column = <usize>(first + i + 1);
    let a0 = f32x4.splat(0);
    let b0 = f32x4.splat(0);
    let c0 = f32x4.splat(0);
    let d0 = f32x4.splat(0);
    let a1 = f32x4.splat(0);
    let b1 = f32x4.splat(0);
    let c1 = f32x4.splat(0);
    let d1 = f32x4.splat(0);
    let x0 = row + (column << 2);
    let change = changes + column * COLUMN;
    if (change < end) {
      const x = v128.load32_splat(x0);
      a0 = f32x4.add(a0, f32x4.mul(x, v128.load(change)));
      b0 = f32x4.add(b0, f32x4.mul(x, v128.load(change, 16)));
      c0 = f32x4.add(c0, f32x4.mul(x, v128.load(change, 32)));
      d0 = f32x4.add(d0, f32x4.mul(x, v128.load(change, 48)));
      x0 += 4;
      change += COLUMN;
    }
    let x1 = x0 + stride;
    for (; change < end; change += COLUMN, x0 += 4, x1 += 4) {
      const x = v128.load32_splat(x0);
      const y = v128.load32_splat(x1);
      const a = v128.load(change);
      a0 = f32x4.add(a0, f32x4.mul(x, a));
      a1 = f32x4.add(a1, f32x4.mul(y, a));
      const b = v128.load(change, 16);
      b0 = f32x4.add(b0, f32x4.mul(x, b));
      b1 = f32x4.add(b1, f32x4.mul(y, b));
      const c = v128.load(change, 32);
      c0 = f32x4.add(c0, f32x4.mul(x, c));
      c1 = f32x4.add(c1, f32x4.mul(y, c));
      const d = v128.load(change, 48);
      d0 = f32x4.add(d0, f32x4.mul(x, d));
      d1 = f32x4.add(d1, f32x4.mul(y, d));
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
  if (i === count) return;
  for (let lane: usize = 0; lane < COLUMN; lane += 16) {
    let sum = f32x4.splat(0);
    let x = row + ((<usize>(first + i + 1)) << 2);
    let change = changes + <usize>(first + i + 1) * COLUMN + lane;
    for (; change < end; change += COLUMN, x += 4) {
      sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(x), v128.load(change)));
    }
    v128.store(to + lane, sum);
  }
}
