export interface Point {
  readonly size: number;
  readonly value: number;
}

/** The exponent b of value = a × size^b: least squares on the logarithms of all points, with nothing subtracted. */
export function exponentOf(points: readonly Point[]): number {
  const logs = points.map(({ size, value }) => [Math.log(size), Math.log(value)] as const);
  const mean = (index: 0 | 1): number => logs.reduce((sum, log) => sum + log[index], 0) / logs.length;
  const [x, y] = [mean(0), mean(1)];
  const products = logs.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0);
  const squares = logs.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
  return products / squares;
}
