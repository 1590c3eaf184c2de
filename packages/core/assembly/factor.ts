/**
 * Twin of `inverseFactor` in src/solve/factor.ts: every sum is taken in the same order, one product after the other, so
 * the numbers are the same. Matrices are f64, row-major, of `n` rows and columns, a multiple of 4; only the triangle below
 * the diagonal is read and made. `work` has room for 8 × (2 × `PANEL` × n) bytes.
 */

/** Rows or columns that are finished together before the rest of the matrix is touched. */
const PANEL = 64;
/** Groups of four columns of the rest that are used again and again while they are in the second-level cache. */
const STRIPS = 64;

/** A = L Lᵀ in place. @returns 0 where A is not positive, else 1 */
export function factorLower(matrix: usize, n: i32, work: usize): i32 {
  const stride = (<usize>n) << 3;
  for (let start = 0; start < n; start += PANEL) {
    const end = min(n, start + PANEL);
    const width = end - start;
    // the panel: each row with the rows of the triangle above it
    for (let row = start; row < n; row++) {
      const at = matrix + <usize>row * stride + ((<usize>start) << 3);
      const known = min(width, row - start);
      for (let k = 0; k < known; k++) {
        const column = work + ((<usize>(k * PANEL)) << 3);
        const quotient = load<f64>(at + ((<usize>k) << 3)) / load<f64>(column + ((<usize>k) << 3));
        store<f64>(at + ((<usize>k) << 3), quotient);
        // transposed: column k holds L[k.., k]
        if (row < end) store<f64>(column + ((<usize>known) << 3), quotient);
        subtractRow(at, column, quotient, k + 1, min(width, row - start + 1));
      }
      if (row >= end) continue;
      const square = load<f64>(at + ((<usize>known) << 3));
      if (!(square > 0)) return 0;
      const root = sqrt(square);
      store<f64>(at + ((<usize>known) << 3), root);
      store<f64>(work + ((<usize>(known * PANEL + known)) << 3), root);
    }
    if (end === n) break;
    packRows(matrix, n, end, start, end, work);
    subtractProducts(matrix, n, end, width, work, work, end, end, 1);
  }
  return 1;
}

/** X = L⁻¹ in place. */
export function invertLower(matrix: usize, n: i32, work: usize): void {
  const stride = (<usize>n) << 3;
  for (let start = 0; start < n; start += PANEL) {
    const end = min(n, start + PANEL);
    const width = end - start;
    for (let row = start; row < end; row++) {
      const at = matrix + <usize>row * stride;
      for (let k = start; k < row; k++) {
        const above = matrix + <usize>k * stride;
        const factor = load<f64>(at + ((<usize>k) << 3));
        subtractRow(at, above, factor, 0, k);
        store<f64>(at + ((<usize>k) << 3), 0 - factor * load<f64>(above + ((<usize>k) << 3)));
      }
      const diagonal = load<f64>(at + ((<usize>row) << 3));
      const divisor = f64x2.splat(diagonal);
      let column = 0;
      for (; column + 2 <= row; column += 2) {
        const place = at + ((<usize>column) << 3);
        v128.store(place, f64x2.div(v128.load(place), divisor));
      }
      for (; column < row; column++) {
        const place = at + ((<usize>column) << 3);
        store<f64>(place, load<f64>(place) / diagonal);
      }
      store<f64>(at + ((<usize>row) << 3), 1 / diagonal);
    }
    if (end === n) break;
    const lower = work;
    const upper = work + ((<usize>(PANEL * n)) << 3);
    packRows(matrix, n, end, start, end, lower);
    for (let row = end; row < n; row++) {
      memory.fill(matrix + <usize>row * stride + ((<usize>start) << 3), 0, (<usize>width) << 3);
    }
    packColumns(matrix, n, start, end, upper);
    subtractProducts(matrix, n, end, width, lower, upper, 0, end, 0);
  }
}

/** row[from..to) −= factor × other[from..to) */
// @ts-ignore: decorator
@inline
function subtractRow(row: usize, other: usize, factor: f64, from: i32, to: i32): void {
  let i = from;
  if (i & 1 && i < to) {
    const at = (<usize>i) << 3;
    store<f64>(row + at, load<f64>(row + at) - factor * load<f64>(other + at));
    i++;
  }
  const factors = f64x2.splat(factor);
  for (; i + 2 <= to; i += 2) {
    const at = (<usize>i) << 3;
    v128.store(row + at, f64x2.sub(v128.load(row + at), f64x2.mul(factors, v128.load(other + at))));
  }
  if (i < to) {
    const at = (<usize>i) << 3;
    store<f64>(row + at, load<f64>(row + at) - factor * load<f64>(other + at));
  }
}

/** Columns `[start, end)` of the rows from `first` on, in groups of four rows: [group][column][row]. */
function packRows(matrix: usize, n: i32, first: i32, start: i32, end: i32, to: usize): void {
  const stride = (<usize>n) << 3;
  for (let row = first; row < n; row += 4) {
    let from = matrix + <usize>row * stride + ((<usize>start) << 3);
    for (let k = start; k < end; k++, from += 8, to += 32) {
      store<f64>(to, load<f64>(from));
      store<f64>(to, load<f64>(from + stride), 8);
      store<f64>(to, load<f64>(from + 2 * stride), 16);
      store<f64>(to, load<f64>(from + 3 * stride), 24);
    }
  }
}

/** Rows `[start, end)` of the triangle, in groups of four columns: [group][row][column]; zeros above the diagonal. */
function packColumns(matrix: usize, n: i32, start: i32, end: i32, to: usize): void {
  const stride = (<usize>n) << 3;
  for (let column = 0; column < end; column += 4) {
    for (let k = start; k < end; k++, to += 32) {
      const from = matrix + <usize>k * stride + ((<usize>column) << 3);
      for (let i = 0; i < 4; i++) {
        const at = (<usize>i) << 3;
        store<f64>(to + at, column + i <= k ? load<f64>(from + at) : 0);
      }
    }
  }
}

/**
 * Rows from `first` on, columns `[columnStart, columnEnd)`, or to the diagonal where `isTriangle`: minus the products of
 * packed rows and packed columns.
 */
function subtractProducts(
  matrix: usize,
  n: i32,
  first: i32,
  width: i32,
  rows: usize,
  columns: usize,
  columnStart: i32,
  columnEnd: i32,
  isTriangle: i32,
): void {
  const stride = (<usize>n) << 3;
  const stripBytes = (<usize>width) << 5;
  const last = isTriangle ? n : columnEnd;
  for (let block = columnStart; block < last; block += 4 * STRIPS) {
    const blockEnd = min(last, block + 4 * STRIPS);
    for (let row = isTriangle ? block : first; row < n; row += 4) {
      const own = rows + <usize>((row - first) >> 2) * stripBytes;
      const to = isTriangle ? min(blockEnd, row + 4) : blockEnd;
      let other = columns + <usize>((block - columnStart) >> 2) * stripBytes;
      let at = matrix + <usize>row * stride + ((<usize>block) << 3);
      for (let column = block; column < to; column += 4, other += stripBytes, at += 32) {
        subtractTile(at, stride, own, other, width);
      }
    }
  }
}

/** Four rows of four columns. */
// @ts-ignore: decorator
@inline
function subtractTile(at: usize, stride: usize, rows: usize, columns: usize, width: i32): void {
  const at1 = at + stride;
  const at2 = at1 + stride;
  const at3 = at2 + stride;
  let a0 = v128.load(at);
  let a1 = v128.load(at, 16);
  let b0 = v128.load(at1);
  let b1 = v128.load(at1, 16);
  let c0 = v128.load(at2);
  let c1 = v128.load(at2, 16);
  let d0 = v128.load(at3);
  let d1 = v128.load(at3, 16);
  for (const end = rows + ((<usize>width) << 5); rows < end; rows += 32, columns += 32) {
    const x0 = v128.load(columns);
    const x1 = v128.load(columns, 16);
    const a = v128.load64_splat(rows);
    a0 = f64x2.sub(a0, f64x2.mul(a, x0));
    a1 = f64x2.sub(a1, f64x2.mul(a, x1));
    const b = v128.load64_splat(rows, 8);
    b0 = f64x2.sub(b0, f64x2.mul(b, x0));
    b1 = f64x2.sub(b1, f64x2.mul(b, x1));
    const c = v128.load64_splat(rows, 16);
    c0 = f64x2.sub(c0, f64x2.mul(c, x0));
    c1 = f64x2.sub(c1, f64x2.mul(c, x1));
    const d = v128.load64_splat(rows, 24);
    d0 = f64x2.sub(d0, f64x2.mul(d, x0));
    d1 = f64x2.sub(d1, f64x2.mul(d, x1));
  }
  v128.store(at, a0);
  v128.store(at, a1, 16);
  v128.store(at1, b0);
  v128.store(at1, b1, 16);
  v128.store(at2, c0);
  v128.store(at2, c1, 16);
  v128.store(at3, d0);
  v128.store(at3, d1, 16);
}
