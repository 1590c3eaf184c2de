/** What is measured of a tensor while it is made. */
import { blockOf } from "../model/encodings.ts";
import type { PlanTensor } from "../plan/plan.ts";
import { throughOf } from "../plan/way.ts";

/** Whether encoding changes values, so that the error is worth measuring. */
export function isMeasured({ fidelity, way }: Pick<PlanTensor, "fidelity" | "way">): boolean {
  return way.kind === "through" || (fidelity !== "copy" && fidelity !== "exact");
}

/** Weights that share scales in what a tensor becomes, or goes through. */
export function blockSizeOf(task: PlanTensor): number {
  const through = throughOf(task);
  return blockOf(through?.kind === "blocks" ? through.to : task.to, { tensor: task.name }).blockSize;
}
