/** The report of a plan with several targets, as a report for each target. */
import type { Plan } from "../plan.ts";
import { type PlanReport, planReport } from "../report.ts";
import { plansByTarget } from "./join-plans.ts";

/**
 * A report for each target, with what the run of `plan` measured; the time is that of all targets together, so none has it. Of a plan
 * with one target, the report itself.
 */
export function reportsByTarget(plan: Plan, report: PlanReport): PlanReport[] {
  if (plan.targets === undefined) return [report];
  let start = 0;
  return plansByTarget(plan).map((own) => {
    const first = start;
    start += own.tensors.length;
    return { ...planReport(own), tensors: report.tensors.slice(first, start) };
  });
}
