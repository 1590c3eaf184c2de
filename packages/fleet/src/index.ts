/**
 * The parts of a saved plan on many machines, through a queue on Redis or Valkey. The queue holds references to parts, never
 * tensors; machines share the source, the plan and the output by other ways.
 * @module
 * @example
 * import { fleetStatus, submitPlan, workOnParts } from "@requant/fleet";
 * import type { PlanParts, SavedPlan } from "@requant/convert";
 *
 * async function together(saved: SavedPlan, parts: PlanParts, url: string): Promise<void> {
 *   await submitPlan(saved, { url, address: "/shared/plan.json", count: 64 });
 *   await workOnParts({ url, concurrency: 1, untilEmpty: true, run: (part) => parts.run(part) });
 *   console.log((await fleetStatus(url, saved.id)).plans);
 * }
 */

export type { FleetPart } from "./part-job.ts";
export type { DonePart, PlanRecord } from "./plan-record.ts";
export { type Removal, removePlan } from "./remove.ts";
export { type FailedPart, type FleetStatus, fleetStatus, type PlanStatus } from "./status.ts";
export { type Submission, type SubmitOptions, submitPlan } from "./submit.ts";
export { type WorkEvent, type WorkOptions, type WorkReport, workOnParts } from "./work.ts";
