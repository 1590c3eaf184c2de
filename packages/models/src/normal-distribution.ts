/**
 * The normal distribution, as torch computes its quantiles in f32 (pytorch, aten/src/ATen/native/Math.h `calc_erfinv`;
 * torch/distributions/normal.py `icdf`).
 */
const f32 = Math.fround;

// numerators and denominators of the first guess, lowest power first: within 0.7 of zero, and beyond
const innerNumerator = [0.886226899, -1.645349621, 0.914624893, -0.140543331].map(f32);
const innerDenominator = [1, -2.118377725, 1.442710462, -0.329097515, 0.012229801].map(f32);
const outerNumerator = [-1.970840454, -1.624906493, 3.429567803, 1.641345311].map(f32);
const outerDenominator = [1, 3.5438892, 1.6370678].map(f32);

function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduceRight((sum, coefficient) => f32(f32(sum * x) + coefficient));
}

/** The error function: its series, which is exact to a few last bits of a double where |x| < 6. */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; n < 200 && Math.abs(term) > Math.abs(sum) * 1e-17; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

function inverseErf(y: number): number {
  const size = Math.abs(y);
  if (size === 1) return y * Number.POSITIVE_INFINITY;
  const isInner = size <= f32(0.7);
  const at = isInner ? f32(y * y) : f32(Math.sqrt(f32(-f32(Math.log(f32(f32(1 - size) / 2))))));
  const numerator = polynomial(isInner ? innerNumerator : outerNumerator, at);
  const denominator = polynomial(isInner ? innerDenominator : outerDenominator, at);
  let x = isInner ? f32(f32(y * numerator) / denominator) : Math.sign(y) * f32(numerator / denominator);
  for (let step = 0; step < 2; step++) {
    const slope = f32(f32(2 / Math.sqrt(Math.PI)) * f32(Math.exp(f32(-f32(x * x)))));
    x = f32(x - f32(f32(f32(erf(x)) - y) / slope));
  }
  return x;
}

/** The number below which a part of all standard normal numbers lies. */
export function normalQuantile(part: number): number {
  return f32(inverseErf(f32(f32(2 * f32(part)) - 1)) * f32(Math.SQRT2));
}

/** The part of all standard normal numbers below x. */
export function normalPart(x: number): number {
  return Number.isFinite(x) ? (1 + erf(x / Math.SQRT2)) / 2 : x > 0 ? 1 : 0;
}
