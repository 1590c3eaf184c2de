/** e to the power of four numbers: within 2 units in the last place, 0 below −87.3, and the largest f32 above 88.7. */
import { multiplyAdd } from "./multiply";

/** Each number four times: engines rebuild constants in loops, and load these. */
const table = memory.data<f32>([
  1.44269504088896341, 1.44269504088896341, 1.44269504088896341, 1.44269504088896341,
  -0.693359375, -0.693359375, -0.693359375, -0.693359375,
  2.12194440e-4, 2.12194440e-4, 2.12194440e-4, 2.12194440e-4,
  1.9875691500e-4, 1.9875691500e-4, 1.9875691500e-4, 1.9875691500e-4,
  1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3,
  8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3,
  4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2,
  1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1,
  5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1,
  1, 1, 1, 1,
  -87.3, -87.3, -87.3, -87.3,
  88.7, 88.7, 88.7, 88.7,
], 16);

/**
 * 2ⁿ × eʳ with n = round(x / ln 2) and a polynomial for eʳ. The coefficients are those of the Cephes library's expf
 * (Moshier, Methods and Programs for Mathematical Functions).
 */
// @ts-ignore: decorator
@inline
export function exponential(given: v128): v128 {
  const least = v128.load(table, 160);
  const x = f32x4.pmin(v128.load(table, 176), f32x4.pmax(least, given));
  const n = f32x4.nearest(f32x4.mul(x, v128.load(table)));
  let r = f32x4.add(x, f32x4.mul(n, v128.load(table, 16)));
  r = f32x4.add(r, f32x4.mul(n, v128.load(table, 32)));
  let p = v128.load(table, 48);
  p = multiplyAdd(p, r, v128.load(table, 64));
  p = multiplyAdd(p, r, v128.load(table, 80));
  p = multiplyAdd(p, r, v128.load(table, 96));
  p = multiplyAdd(p, r, v128.load(table, 112));
  p = multiplyAdd(p, r, v128.load(table, 128));
  p = multiplyAdd(p, f32x4.mul(r, r), f32x4.add(r, v128.load(table, 144)));
  const power = i32x4.shl(i32x4.trunc_sat_f32x4_s(n), 23);
  const value = i32x4.add(p, power);
  return v128.andnot(value, f32x4.lt(given, least));
}
