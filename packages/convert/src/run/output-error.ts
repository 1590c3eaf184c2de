/** What new codes change in the output of a layer, beside what plain rounding would change. */
import { type InputStatistics, outputError, squaredOutput } from "@requant/core/solve";

/** Sums over the rows that were measured: squared errors of the output, and the square of the output itself. */
export interface OutputErrorSums {
  readonly error: number;
  readonly rounding: number;
  readonly signal: number;
}

/** Rows of a weight that are measured, spread evenly: more of them take as long as solving, and change the figure little. */
const MEASURED_ROWS = 256;

/** Rows that are measured, of a band that begins at row `start` of a weight of `count` rows. */
export function measuredRows(start: number, end: number, count: number): number[] {
  const step = Math.ceil(count / MEASURED_ROWS);
  const rows: number[] = [];
  for (let row = Math.ceil(start / step) * step; row < end; row += step) rows.push(row - start);
  return rows;
}

/** These rows of a matrix, one after the other. */
export function gatherRows(values: Float32Array, rows: readonly number[], length: number): Float32Array {
  const gathered = new Float32Array(rows.length * length);
  rows.forEach((row, i) => {
    gathered.set(values.subarray(row * length, (row + 1) * length), i * length);
  });
  return gathered;
}

/** The sums of some rows: as they were, as they are solved, and as they would be rounded. */
export function outputErrors(
  statistics: InputStatistics,
  values: Float32Array,
  solved: Float32Array,
  rounded: Float32Array,
): OutputErrorSums {
  return {
    error: outputError(values, solved, statistics),
    rounding: outputError(values, rounded, statistics),
    signal: squaredOutput(values, statistics),
  };
}

/** Sums of bands add up. */
export function addedErrors(
  a: OutputErrorSums | undefined,
  b: OutputErrorSums | undefined,
): OutputErrorSums | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return { error: a.error + b.error, rounding: a.rounding + b.rounding, signal: a.signal + b.signal };
}
