import { type PlanReport, reportNonFinite, reportWith } from "../plan/report.ts";
import type { RunState } from "./run-state.ts";

/** What was done: the plan's report with the measured errors and the time. */
export type ConversionReport = PlanReport & { readonly seconds: number };

/** @param started as `performance.now` told it */
export function reportOf(run: RunState, started: number): ConversionReport {
  const resultOf = run.tensorResults();
  const report = reportWith(run.plan, (tensor, index) => {
    const { nonFinite, ...errors } = resultOf(index) ?? {};
    return nonFinite === undefined
      ? errors
      : { ...errors, nonFinite: reportNonFinite(nonFinite, tensor.shape) };
  });
  return { ...report, seconds: (performance.now() - started) / 1000 };
}
