/** The tables of bitsandbytes (functional.py: `get_4bit_type`, `create_dynamic_map`). */

/** The sixteen values of NF4: quantiles of the normal distribution, as f32. */
export const NF4_VALUES: Float32Array = Float32Array.of(
  -1,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1,
);

/** Decimal orders of magnitude that the 8-bit table of scales spans. */
const ORDERS = 7;

/**
 * The 256 values of an 8-bit code with a dynamic exponent, which quantized scales have: for each power of ten the middles
 * of equal steps between 0.1 and 1, twice as many as for the power below; their negatives; 0 and 1.
 */
export function dynamicMap(): Float32Array {
  const fround = Math.fround;
  const values: number[] = [0, 1];
  for (let order = 0; order < ORDERS; order++) {
    const steps = 2 ** order;
    const edges = linearSteps(fround(0.1), 1, steps);
    for (let i = 0; i < steps; i++) {
      const middle = fround(fround(edges[i]! + edges[i + 1]!) / 2);
      const value = fround(fround(10 ** (order - ORDERS + 1)) * middle);
      values.push(value, -value);
    }
  }
  return Float32Array.from(values).sort();
}

/** `torch.linspace` in f32: from both ends to the middle, product and sum rounded once. */
function linearSteps(start: number, end: number, steps: number): Float32Array {
  const fround = Math.fround;
  const step = fround(fround(end - start) / steps);
  return Float32Array.from({ length: steps + 1 }, (_, i) =>
    i < (steps + 1) / 2 ? fround(start + step * i) : fround(end - step * (steps - i)),
  );
}
