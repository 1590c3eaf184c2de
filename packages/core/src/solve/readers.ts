import { UsageError } from "../errors.ts";
import type { InputStatistics } from "./statistics.ts";

/** A weight that reads the rows of a table of embeddings, behind a norm. */
export interface EmbeddingReader {
  /** [rows, columns], row-major. */
  readonly weight: Float32Array;
  /** What the norm before it multiplies each column by: [columns]. */
  readonly norm: Float32Array;
}

/**
 * What stands in for statistics of a table of embeddings, whose rows are looked up and have no inputs: an error in a row
 * matters as far as the first layer's weights read it (q, k, v, and gate and up of the MLP). The moments are the mean of
 * r rᵀ over all rows r of these weights times their norm: the sums of a calibration in which the tokens are those rows. The
 * result needs more damping than statistics of inputs (0.1), since later layers read the rows too.
 * @throws UsageError where a weight has not whole rows, or a norm another length
 */
export function readerStatistics(columns: number, readers: readonly EmbeddingReader[]): InputStatistics {
  const sums = new Float64Array(columns * columns);
  const meanAbs = new Float32Array(columns);
  let tokens = 0;
  for (const { weight, norm } of readers) {
    if (norm.length !== columns || weight.length % columns !== 0) {
      throw new UsageError(
        `${weight.length} weights and a norm of ${norm.length} numbers do not read rows of ${columns} columns.`,
      );
    }
    tokens += weight.length / columns;
  }
  const row = new Float64Array(columns);
  for (const { weight, norm } of readers) {
    for (let start = 0; start < weight.length; start += columns) {
      for (let i = 0; i < columns; i++) {
        row[i] = weight[start + i]! * norm[i]!;
        meanAbs[i] = meanAbs[i]! + Math.abs(row[i]!) / tokens;
      }
      for (let i = 0; i < columns; i++) {
        const own = row[i]! / tokens;
        for (let j = 0, at = i * columns; j < columns; j++) sums[at + j] = sums[at + j]! + own * row[j]!;
      }
    }
  }
  return { columns, tokens, moments: Float32Array.from(sums), meanAbs };
}
