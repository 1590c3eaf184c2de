/** Rows of a weight as the source stores them, in the order of the output. */
import { UsageError } from "@requant/core";
import { isRowSelection } from "@requant/models";
import type { Model } from "../../model/model.ts";
import { orderedRuns } from "../../model/row-runs.ts";
import { plainInput } from "../../plan/choose-way.ts";
import type { PlanTensor } from "../../plan/plan.ts";
import type { Band } from "../bands.ts";

/** Reads the stored rows of a band; `memory` gives the place for bytes `[start, end)` of them. */
export type ReadStoredRows = (
  band: Band,
  memory: (start: number, end: number) => Uint8Array,
) => Promise<void>;

/**
 * Rows that lie together are read together: all of them where the weight is one stored tensor.
 * @throws UsageError for a plan that computes the rows
 */
export function storedRowReader(model: Model, task: PlanTensor, rowByteLength: number): ReadStoredRows {
  const input = plainInput(task);
  if (input !== undefined) {
    return ({ start, end }, memory) =>
      model.readInto(input.tensor, start * rowByteLength, memory(0, (end - start) * rowByteLength));
  }
  if (!isRowSelection(task)) {
    throw new UsageError("The plan computes a weight whose stored rows it moves.", { tensor: task.name });
  }
  const runsOf = orderedRuns(model, task);
  return async ({ start, end }, memory) => {
    for (const { start: first, tensor, row, count } of runsOf(start, end)) {
      const target = memory((first - start) * rowByteLength, (first - start + count) * rowByteLength);
      await model.readInto(tensor, row * rowByteLength, target);
    }
  };
}
