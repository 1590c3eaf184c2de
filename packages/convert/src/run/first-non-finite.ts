/** Index of the first value that is NaN or infinite; the number of values where all are finite. */
export function firstNonFinite(values: Float32Array): number {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    // a finite number minus itself is 0, NaN and the infinities minus themselves are NaN
    if (value - value !== 0) return i;
  }
  return values.length;
}
