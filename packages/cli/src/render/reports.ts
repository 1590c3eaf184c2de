/** What a plan does, or its run did: the report, or one for each target and what their reading shares. */
import {
  type Model,
  notesOf,
  type Plan,
  type PlanReport,
  plansByTarget,
  reportsByTarget,
  type SharedBytes,
  sharedBytes,
} from "@requant/convert";
import type { Finding } from "@requant/core";
import type { Look } from "./look.ts";
import { byteQuantity, duration } from "./quantity.ts";
import { renderReport } from "./report.ts";
import { facts } from "./table.ts";

/** A plan, and the report of it or of its run. */
export interface Reported {
  readonly plan: Plan;
  readonly report: PlanReport;
  readonly model: Model;
  /** The output is on a server: each file is made from a reading of its own. */
  readonly isRemote: boolean;
}

/** How reports are shown. */
export interface ReportsOptions {
  /** Each tensor, too. */
  readonly tensors: boolean;
  readonly look: Look;
  /** Where the output of a target is, once it is written. */
  shownOutput?(files: Plan["files"]): string;
}

/** For people. */
export function renderReports(
  { plan, report, model, isRemote }: Reported,
  { tensors, look, shownOutput }: ReportsOptions,
): string {
  const plans = plansByTarget(plan);
  const reports = reportsByTarget(plan, report).map((own, index) =>
    renderReport(own, { tensors, look, output: shownOutput?.(plans[index]?.files ?? []) }),
  );
  if (plan.targets === undefined) return reports.join("\n");
  const { seconds } = report;
  const about = [
    [
      "reading",
      readingText(sharedBytes(plan, model, { filesApart: isRemote }), plans.length, isRemote),
    ] as const,
    ...(seconds === undefined ? [] : [["time", duration(seconds)] as const]),
  ];
  return [...reports, facts(about, look)].join("\n\n");
}

/** What one reading for all targets saves, where there is one. */
function readingText(
  { bytesRead, bytesReadAlone }: SharedBytes,
  targetCount: number,
  isRemote: boolean,
): string {
  if (isRemote) return `${byteQuantity(bytesRead)}: for a server, the source is read for each target`;
  const saved = byteQuantity(bytesReadAlone - bytesRead);
  if (bytesRead * targetCount === bytesReadAlone) {
    return `${byteQuantity(bytesRead)} once instead of ${targetCount} times: ${saved} less`;
  }
  const rest = "What the targets take in different orders, or pack whole, is read for each of them.";
  return `${byteQuantity(bytesRead)} instead of ${byteQuantity(bytesReadAlone)}: ${saved} less. ${rest}`;
}

/** For scripts: the report, or a list of reports. `warnings`: those of each target. */
export function reportsJson(
  { plan, report, model, isRemote }: Reported,
  warnings: readonly (readonly Finding[])[],
): object {
  const reports = reportsByTarget(plan, report).map((own, index) => reportJson(own, warnings[index] ?? []));
  if (plan.targets === undefined) return reports[0] ?? {};
  const { seconds } = report;
  return {
    targets: reports,
    shared: sharedBytes(plan, model, { filesApart: isRemote }),
    ...(seconds === undefined ? {} : { seconds }),
  };
}

/** The report as people and scripts know it: findings as `notes` and `warnings`. */
function reportJson({ findings, ...report }: PlanReport, warnings: readonly Finding[]): object {
  return { ...report, notes: notesOf(findings), warnings };
}
