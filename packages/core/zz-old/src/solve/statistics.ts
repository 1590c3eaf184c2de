import { UsageError } from "../errors.ts";

/**
 * What calibration text says about the inputs of one linear layer, x[columns] for each token. Everything that a solver
 * needs is in these sums: the squared error of the layer's output, for a change D[rows, columns] of its weights, is
 * tokens × trace(D · moments · Dᵀ).
 */
export interface InputStatistics {
  /** In features of the layer. */
  readonly columns: number;
  /** How many tokens were summed; 0 for an expert that no token reached. */
  readonly tokens: number;
  /** Mean of x xᵀ, `moments[i × columns + j]`: symmetric, all of it is filled in. Zeros where `tokens` is 0. */
  readonly moments: Float32Array;
  /** Mean of |x| per column: what AWQ's search takes as the size of an activation. */
  readonly meanAbs: Float32Array;
}

/** Checks that every array has the length that `columns` asks for. @throws UsageError that names the array */
export function checkStatistics({ columns, moments, meanAbs }: InputStatistics): void {
  const lengths = [
    ["moments", moments.length, columns * columns],
    ["meanAbs", meanAbs.length, columns],
  ] as const;
  for (const [name, found, expected] of lengths) {
    if (found !== expected) {
      throw new UsageError(`The statistics have ${found} numbers in ${name}, and ${expected} are needed.`);
    }
  }
}

/** Mean of x² per column, the diagonal of `moments`: what an importance matrix holds. */
export function columnImportance({ columns, moments }: InputStatistics): Float32Array {
  return Float32Array.from({ length: columns }, (_, column) => moments[column * (columns + 1)]!);
}
