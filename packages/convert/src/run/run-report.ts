import { type PlanReport, planReport, reportNonFinite } from "../plan/report.ts";
import type { RunState } from "./run-state.ts";

/** What was done: the plan's report with the measured errors and the time. */
export type ConversionReport = PlanReport & { readonly seconds: number };

/** @param started as `performance.now` told it */
export function reportOf(run: RunState, started: number): ConversionReport {
  const { plan } = run;
  const report = planReport(plan);
  const results = run.tensorResults();
  return {
    ...report,
    tensors: report.tensors.map((tensor, index) => {
      const planned = plan.tensors[index];
      const result = planned === undefined ? undefined : results.get(planned);
      if (result === undefined) return tensor;
      const { nonFinite, ...errors } = result;
      return {
        ...tensor,
        ...errors,
        ...(nonFinite === undefined ? {} : { nonFinite: reportNonFinite(nonFinite, tensor.shape) }),
      };
    }),
    seconds: (performance.now() - started) / 1000,
  };
}
