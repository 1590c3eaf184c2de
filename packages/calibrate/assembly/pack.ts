/** Rows of a matrix into panels (assembly/multiply.ts). Rows and columns that a panel has too many are zeros. */

/** What a row that does not exist consists of: as long as the longest sum of a panel, the head of attention. */
const zeros = memory.data(4 * 512, 16);

/**
 * Panels of `width` rows, 4 or 8, from rows of numbers that lie one after the other along the sum.
 * @param from the first number of the first row
 * @param stride bytes from row to row
 */
export function packRows(from: usize, stride: usize, rows: i32, width: i32, steps: i32, to: usize): void {
  const step = 4 * <usize>width;
  for (; rows > 0; rows -= width, from += <usize>width * stride, to += step * <usize>steps) {
    for (let part = 0; part < width; part += 4) {
      const here = from + <usize>part * stride;
      const count = rows - part;
      packFour(
        count > 0 ? here : zeros,
        count > 1 ? here + stride : zeros,
        count > 2 ? here + 2 * stride : zeros,
        count > 3 ? here + 3 * stride : zeros,
        steps,
        to + 4 * <usize>part,
        step,
      );
    }
  }
}

// @ts-ignore: decorator
@inline
function packFour(a: usize, b: usize, c: usize, d: usize, steps: i32, to: usize, step: usize): void {
  const end = a + 4 * <usize>steps;
  for (const vectorEnd = a + 4 * <usize>(steps & ~3); a < vectorEnd; a += 16, b += 16, c += 16, d += 16) {
    const w = v128.load(a);
    const x = v128.load(b);
    const y = v128.load(c);
    const z = v128.load(d);
    const wxLow = i32x4.shuffle(w, x, 0, 4, 1, 5);
    const wxHigh = i32x4.shuffle(w, x, 2, 6, 3, 7);
    const yzLow = i32x4.shuffle(y, z, 0, 4, 1, 5);
    const yzHigh = i32x4.shuffle(y, z, 2, 6, 3, 7);
    v128.store(to, i32x4.shuffle(wxLow, yzLow, 0, 1, 4, 5));
    v128.store(to + step, i32x4.shuffle(wxLow, yzLow, 2, 3, 6, 7));
    v128.store(to + 2 * step, i32x4.shuffle(wxHigh, yzHigh, 0, 1, 4, 5));
    v128.store(to + 3 * step, i32x4.shuffle(wxHigh, yzHigh, 2, 3, 6, 7));
    to += 4 * step;
  }
  for (; a < end; a += 4, b += 4, c += 4, d += 4, to += step) {
    store<f32>(to, load<f32>(a));
    store<f32>(to, load<f32>(b), 4);
    store<f32>(to, load<f32>(c), 8);
    store<f32>(to, load<f32>(d), 12);
  }
}

/**
 * Panels of `width` columns, 4 or 8, from rows of numbers that lie one after the other across the sum.
 * @param from the first column's number for the first step
 * @param stride bytes from step to step
 */
export function packColumns(from: usize, stride: usize, columns: i32, width: i32, steps: i32, to: usize): void {
  for (; columns > 0; columns -= width, from += 4 * <usize>width) {
    let here = from;
    if (columns >= width) {
      for (let k = 0; k < steps; k++, here += stride) {
        v128.store(to, v128.load(here));
        if (width === 8) v128.store(to, v128.load(here, 16), 16);
        to += 4 * <usize>width;
      }
    } else {
      for (let k = 0; k < steps; k++, here += stride) {
        for (let column = 0; column < width; column++, to += 4) {
          store<f32>(to, column < columns ? load<f32>(here + 4 * <usize>column) : 0);
        }
      }
    }
  }
}
