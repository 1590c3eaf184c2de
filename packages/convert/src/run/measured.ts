/** Facts about how a tensor is measured while it is made. */
import { blockOf } from "../model/encodings.ts";
import type { PlanTensor } from "../plan/plan.ts";
import { throughOf } from "../plan/way.ts";

/** Whether encoding changes values, so that the error is worth measuring. */
export function isMeasured({ fidelity, way }: Pick<PlanTensor, "fidelity" | "way">): boolean {
  return way.kind === "through" || (fidelity !== "copy" && fidelity !== "exact");
}

/** Number of weights that share a scale in the output type, or in the type that the values go through. */
export function blockSizeOf(task: PlanTensor): number {
  const through = throughOf(task);
  return blockOf(through?.kind === "blocks" ? through.to : task.to, { tensor: task.name }).blockSize;
}
