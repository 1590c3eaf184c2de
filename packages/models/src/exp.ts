/**
 * e^x in f32 as the vector unit of torch computes it: the result is within one unit in the last place but not always the
 * nearest value, so `Math.exp` differs in some last bits (Sleef, sleefsimdsp.c, `expf` with error bound 1.0; products
 * fused into sums).
 */

const f32 = Math.fround;

/** a × b + c with one rounding; exact products of f32 fit a double. */
function fused(a: number, b: number, c: number): number {
  return f32(a * b + c);
}

// ln 2 in two f32 parts, the first short enough that its products with small integers are exact
const ln2High = f32(0.693145751953125);
const ln2Low = f32(1.42860676533019e-6);
// minimax polynomial of (e^r - 1 - r) / r² on half an octave, highest power first
const polynomial = [
  0.000198527617612853, 0.00139304355252534, 0.0083333607763052, 0.0416664853692055, 0.16666667163372, 0.5,
].map(f32);

export function expF32(x: number): number {
  const octaves = Math.round(f32(x * f32(Math.LOG2E)));
  if (octaves < -149 || octaves > 128 || Number.isNaN(x)) return f32(Math.exp(x));
  const rest = fused(octaves, -ln2Low, fused(octaves, -ln2High, x));
  const tail = polynomial.reduce((sum, coefficient) => fused(sum, rest, coefficient), 0);
  return f32(f32(1 + fused(f32(rest * rest), tail, rest)) * 2 ** octaves);
}
