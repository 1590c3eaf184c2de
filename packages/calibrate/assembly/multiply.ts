/**
 * Products of packed panels. A panel holds the numbers of a few rows, side by side for each step of the sum:
 *   left   4 rows   l[0,k] l[1,k] l[2,k] l[3,k] for k = 0, 1, …
 *   right  8 rows   r[0,k] … r[7,k]             for k = 0, 1, …
 * A block of out has a row for each row of left and a column for each row of right.
 */

/** Steps of a sum that are done in registers before they are added to memory. It decides the bits of every result. */
export const STEPS: i32 = 256;

/** Rows in a left panel. */
export const LEFT: i32 = 4;

/** Rows in a right panel. */
export const RIGHT: i32 = 8;

/** a × b + c: in one rounding where the engine has relaxed SIMD. */
// @ts-ignore: decorator
@inline
export function multiplyAdd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** out[4, 8] = (`adds` ? out : 0) + left × rightᵀ over `steps`; `stride` is the bytes from row to row of out. */
export function multiplyPanels(left: usize, right: usize, steps: i32, out: usize, stride: usize, adds: bool): void {
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  let c0 = a0;
  let c1 = a0;
  let d0 = a0;
  let d1 = a0;
  // unrolled by two or four it is slower: engines do not fold the offsets into the loads
  for (const end = left + 16 * <usize>steps; left < end; left += 16, right += 32) {
    const r0 = v128.load(right);
    const r1 = v128.load(right, 16);
    let l = v128.load32_splat(left);
    a0 = multiplyAdd(l, r0, a0);
    a1 = multiplyAdd(l, r1, a1);
    l = v128.load32_splat(left, 4);
    b0 = multiplyAdd(l, r0, b0);
    b1 = multiplyAdd(l, r1, b1);
    l = v128.load32_splat(left, 8);
    c0 = multiplyAdd(l, r0, c0);
    c1 = multiplyAdd(l, r1, c1);
    l = v128.load32_splat(left, 12);
    d0 = multiplyAdd(l, r0, d0);
    d1 = multiplyAdd(l, r1, d1);
  }
  if (adds) {
    addTo(out, a0, a1);
    addTo(out + stride, b0, b1);
    addTo(out + 2 * stride, c0, c1);
    addTo(out + 3 * stride, d0, d1);
  } else {
    v128.store(out, a0);
    v128.store(out, a1, 16);
    v128.store(out + stride, b0);
    v128.store(out + stride, b1, 16);
    v128.store(out + 2 * stride, c0);
    v128.store(out + 2 * stride, c1, 16);
    v128.store(out + 3 * stride, d0);
    v128.store(out + 3 * stride, d1, 16);
  }
}

// @ts-ignore: decorator
@inline
function addTo(out: usize, low: v128, high: v128): void {
  v128.store(out, f32x4.add(v128.load(out), low));
  v128.store(out, f32x4.add(v128.load(out, 16), high), 16);
}
