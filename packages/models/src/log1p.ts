/**
 * ln(1 + x) and softplus in f32 as the vector unit of torch computes them: the result is within one unit in the last place but
 * not always the nearest value (Sleef, sleefsimdsp.c, `log1pf` with error bound 1.0, sums of two f32 for more digits, products
 * fused into sums).
 */
import { expF32 } from "./exp.ts";

const f32 = Math.fround;

/** a × b + c with one rounding; exact products of f32 fit a double. */
function fused(a: number, b: number, c: number): number {
  return f32(a * b + c);
}

// ln 2 in two f32
const ln2High = f32(0.6931471824645996);
const ln2Low = f32(-1.904654323148236e-9);
// (ln(m) - 2s) / s³ for s = (m - 1) / (m + 1), highest power first
const polynomial = [0.3996108174, 0.666669488].map(f32);
const highest = f32(0.3027294874);

/** For x from -0.5 to 1e38. */
function log1pF32(x: number): number {
  const octaves = Math.floor(Math.log2(f32(f32(x + 1) * f32(1 / 0.75))));
  const scale = 2 ** -octaves;
  const rest = fused(x, scale, scale - 1);
  const sum = f32(2 + rest);
  const sumLow = f32(f32(2 - sum) + rest);
  // rest / (2 + rest)
  const inverse = f32(1 / sum);
  const quotient = f32(rest * inverse);
  const missing = fused(-sumLow, inverse, fused(-sum, inverse, 1));
  const quotientLow = fused(quotient, missing, fused(inverse, rest, -quotient));
  const square = f32(quotient * quotient);
  const tail = polynomial.reduce((total, coefficient) => fused(total, square, coefficient), highest);
  const whole = f32(ln2High * octaves);
  const wholeLow = fused(ln2Low, octaves, fused(ln2High, octaves, -whole));
  const first = f32(whole + 2 * quotient);
  const firstLow = f32(f32(f32(f32(whole - first) + 2 * quotient) + wholeLow) + 2 * quotientLow);
  const last = f32(f32(square * quotient) * tail);
  const second = f32(first + last);
  return f32(second + f32(f32(f32(first - second) + last) + firstLow));
}

/** Above this, torch takes ln(1 + e^x) for x. */
const THRESHOLD = 20;

/** ln(1 + e^x). */
export function softplusF32(x: number): number {
  return x > THRESHOLD ? x : log1pF32(expF32(x));
}
