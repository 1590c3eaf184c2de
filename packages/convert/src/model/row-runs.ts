/** Output rows that come from stored rows which lie together, so that they are read together. */
import { rowOrigins, type WeightInput } from "@requant/models";
import type { HiddenGrids } from "./hidden-grids.ts";
import type { Model } from "./model.ts";

/** A weight whose every row is one stored row. */
export interface RowTask {
  readonly name: string;
  readonly shape: readonly number[];
  readonly inputs: readonly WeightInput[];
  /** Of stored tensors of floats: the grids that give them a view. */
  readonly grids?: HiddenGrids | undefined;
}

/** Output rows from `start` on, and the rows of one stored tensor that they are, in any order. */
export interface TensorRun {
  readonly start: number;
  readonly tensor: string;
  readonly rows: readonly number[];
}

/** Output rows from `start` on that are `count` stored rows from `row` on, in order. */
export interface OrderedRun {
  readonly start: number;
  readonly tensor: string;
  readonly row: number;
  readonly count: number;
}

type RunsOf<Run> = (start: number, end: number) => Run[];

/** Output rows `[start, end)` by the stored tensor that they come from. */
export function tensorRuns(model: Model, task: RowTask): RunsOf<TensorRun> {
  const originOf = rowOrigins(task, (tensor) => model.tensor(tensor).shape);
  return (start, end) => {
    const runs: TensorRun[] = [];
    for (let row = start; row < end; ) {
      const { tensor } = originOf(row);
      const rows: number[] = [];
      while (row + rows.length < end) {
        const origin = originOf(row + rows.length);
        if (origin.tensor !== tensor) break;
        rows.push(origin.row);
      }
      runs.push({ start: row, tensor, rows });
      row += rows.length;
    }
    return runs;
  };
}

/** The same, cut where stored rows do not follow each other. */
export function orderedRuns(model: Model, task: RowTask): RunsOf<OrderedRun> {
  const runsOf = tensorRuns(model, task);
  return (from, end) =>
    runsOf(from, end).flatMap(({ start, tensor, rows }) => {
      const runs: OrderedRun[] = [];
      for (let first = 0; first < rows.length; ) {
        const row = rows[first] ?? 0;
        let count = 1;
        while (rows[first + count] === row + count) count++;
        runs.push({ start: start + first, tensor, row, count });
        first += count;
      }
      return runs;
    });
}
