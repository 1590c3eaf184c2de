/** The test matrices that the golden vectors were made from: exact arithmetic, so every language gets the same bits. */

/** Output number `index` of the mulberry32 generator, as an unsigned 32-bit integer. */
export function mulberry32(seed: number, index: number): number {
  const a = (seed + Math.imul(index + 1, 0x6d2b79f5)) | 0;
  let t = Math.imul(a ^ (a >>> 15), a | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return (t ^ (t >>> 14)) >>> 0;
}

/** A sum of twelve uniform numbers, exact in a double. */
function gauss(seed: number, index: number): number {
  let sum = -6 * 2 ** 24;
  for (let i = 12 * index; i < 12 * index + 12; i++) sum += mulberry32(seed, i) >>> 8;
  return sum / 2 ** 24;
}

type Weight = (seed: number, column: number, columns: number) => number;

/** A number of its own for each column, beyond those that `gauss` uses. */
const uniform = (seed: number, column: number, columns: number): number =>
  mulberry32(seed, 12 * columns + column);

/** What the rows of a matrix hold, in turn. */
export const rowKinds: readonly (readonly [name: string, weight: Weight])[] = [
  ["normal_a", (seed, j) => gauss(seed, j) * 0.02],
  ["normal_b", (seed, j) => gauss(seed, j) * 0.02],
  ["outliers", (seed, j, n) => gauss(seed, j) * 0.02 * ((uniform(seed, j, n) & 127) === 0 ? 32 : 1)],
  ["zeros", () => 0],
  ["const_pos", () => 0.0173],
  ["const_neg", () => -0.4142],
  ["f16_denormal_scale", (seed, j) => gauss(seed, j) * 2 ** -22],
  ["f32_denormal", (seed, j) => gauss(seed, j) * 2 ** -135],
  ["alternating", (_, j) => (j % 2 === 0 ? 0.0123 : -0.0123)],
  ["large", (seed, j) => gauss(seed, j) * 512],
  ["heavy_tail", (seed, j) => gauss(seed, j) * gauss(seed, j) * gauss(seed, j) * 0.01],
  ["sparse", (seed, j, n) => ((uniform(seed, j, n) & 7) === 0 ? gauss(seed, j) * 0.05 : 0)],
  ["ramp", (_, j, n) => (j - n / 2) / (n / 2)],
  ["half_ties", (seed, j) => (mulberry32(seed, j) & 31) * 0.5 - 8],
  ["all_positive", (seed, j) => Math.abs(gauss(seed, j)) * 0.02],
  ["all_negative", (seed, j) => -Math.abs(gauss(seed, j)) * 0.02],
];

/** `rows` × `columns` f32, row after row, kinds in turn. */
export function testMatrix(seed: number, rows: number, columns: number): Float32Array {
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const rowSeed = (seed + Math.imul(0x9e3779b9, row + 1)) | 0;
    const [, weight] = rowKinds[row % rowKinds.length]!;
    for (let j = 0; j < columns; j++) values[row * columns + j] = weight(rowSeed, j, columns);
  }
  return values;
}

/** One positive weight per column. */
export function testImportance(seed: number, columns: number): Float32Array {
  return Float32Array.from({ length: columns }, (_, j) => {
    const u = mulberry32(seed ^ 0xa5a5a5a5, j) / 2 ** 32;
    return 0.05 + 4 * u * u;
  });
}
