import type { StatisticsReader } from "./read.ts";

/** What an importance matrix holds for one weight. */
export interface ImportanceSums {
  /** Sums of squared inputs, matrix after matrix. */
  readonly sums: Float32Array;
  /** Tokens behind the sums, one count per matrix. */
  readonly counts: readonly number[];
}

/**
 * The numbers of an importance matrix, weight by weight: all that have statistics of their own or share those of another, as
 * llama-imatrix lists them.
 */
export async function* importanceSums({
  names,
  entryOf,
}: Pick<StatisticsReader, "names" | "entryOf">): AsyncGenerator<readonly [name: string, ImportanceSums]> {
  for (const name of [...names].sort()) {
    const entry = entryOf(name);
    if (entry === undefined) continue;
    const { columns, tokens } = entry;
    const sums = new Float32Array(columns * tokens.length);
    for (const [matrix, count] of tokens.entries()) {
      const squares = await entry.readMeanSquares(matrix);
      for (let i = 0; i < columns; i++) sums[matrix * columns + i] = squares[i]! * count;
    }
    yield [name, { sums, counts: tokens }];
  }
}
