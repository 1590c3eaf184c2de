/** Weights for a search without an importance matrix: the squares of the values. */
export function squareWeights(
  values: Float32Array,
  start: number,
  count: number,
  weights: Float32Array,
): void {
  for (let i = 0; i < count; i++) {
    const value = values[start + i]!;
    weights[i] = value * value;
  }
}
