import { UsageError } from "../errors.ts";
import type { InputStatistics } from "./statistics.ts";

/**
 * The statistics of inputs that are divided by a scale per column, as they are where the layer before them, or its norm,
 * was divided by these scales.
 */
export function dividedInputs(statistics: InputStatistics, scales: Float32Array): InputStatistics {
  const { columns, tokens, moments, meanAbs } = statistics;
  if (scales.length !== columns) {
    throw new UsageError(`${scales.length} scales do not fit statistics of ${columns} columns.`);
  }
  const divided = new Float32Array(moments.length);
  for (let i = 0, at = 0; i < columns; i++) {
    for (let j = 0; j < columns; j++, at++) divided[at] = moments[at]! / (scales[i]! * scales[j]!);
  }
  return {
    columns,
    tokens,
    moments: divided,
    meanAbs: meanAbs.map((mean, column) => mean / scales[column]!),
  };
}

/** A linear layer with what is known about its inputs. */
export interface MeasuredLayer {
  /** W[rows, columns], row-major. */
  readonly values: Float32Array;
  readonly rows: number;
  readonly statistics: InputStatistics;
}
