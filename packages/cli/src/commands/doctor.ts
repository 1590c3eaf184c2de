import { type DoctorReport, examineModel, type Runtime, runtimes } from "@requant/convert";
import { type Finding, UsageError } from "@requant/core";
import { bounded, quoted } from "@requant/core/text";
import * as z from "zod";
import type { Context, Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { refuseAddress } from "../local-file.ts";
import { locate } from "../locate.ts";
import type { Location } from "../location.ts";
import { countedFindings, findingPlace, findingText, severityColor } from "../render/findings.ts";
import type { Look } from "../render/look.ts";
import { ProgressBar } from "../render/progress.ts";
import { counted } from "../render/quantity.ts";
import { writeJson } from "../streams.ts";

const doctorArguments = z.object({
  quick: z.boolean().optional(),
  for: z.string().optional(),
  report: z.string().optional(),
  to: z.string().optional(),
  overwrite: z.boolean().optional(),
});

export const doctor: Handler = async ([argument], options, context) => {
  const given = doctorArguments.parse(options);
  refuseMissing(argument, given);
  if (given.report !== undefined) {
    refuseAddress(given.report, "--report");
    const { reportFor } = await import("../report/write-report.ts");
    return reportFor(
      { argument, file: given.report, target: given.to, overwrite: given.overwrite === true },
      context,
      argument === undefined ? undefined : (location) => examined(location, given, context),
    );
  }
  return show(await examined(await locate(argument ?? "", context), given, context), context);
};

/** @throws UsageError for options of a report without a report, and where there is neither a model nor a report */
function refuseMissing(argument: string | undefined, given: z.infer<typeof doctorArguments>): void {
  if (given.report === undefined && (given.to !== undefined || given.overwrite !== undefined)) {
    throw new UsageError(`The option ${given.to === undefined ? "--overwrite" : "--to"} is for a report.`, {
      hint: "Add --report report.json, or leave it out.",
    });
  }
  if (argument !== undefined) return;
  if (given.report === undefined) {
    throw new UsageError("The argument <model> is missing.", { hint: "See requant help doctor." });
  }
  if (given.to === undefined) return;
  throw new UsageError("The option --to needs a model.", {
    hint: "Give the model, or leave --to out.",
  });
}

function examined(
  { store, file }: Location,
  given: z.infer<typeof doctorArguments>,
  { streams, signal, options }: Context,
): Promise<DoctorReport> {
  const bar = new ProgressBar(streams.err, options.quiet === true);
  return examineModel(
    { store, file },
    {
      weights: given.quick !== true,
      runtime: runtimeOf(given.for),
      signal,
      onProgress: (done, total) => bar.update(done, total),
    },
  ).finally(() => bar.end());
}

function show(report: DoctorReport, { streams, options, look }: Context): number {
  if (options.json) writeJson(streams, reportJson(report));
  else streams.out.write(`${renderFindings(report, look)}\n`);
  return report.ok ? exitStatus.done : exitStatus.different;
}

/** @throws UsageError for a program that nothing is known of */
function runtimeOf(given: string | undefined): Runtime | undefined {
  if (given === undefined) return undefined;
  const found = runtimes.find((name) => name === given.toLowerCase());
  if (found !== undefined) return found;
  throw new UsageError(`Doctor knows no program named ${quoted(given)}.`, {
    hint: `Give one of ${runtimes.join(", ")}.`,
  });
}

function renderFindings({ model, findings, examined, runtimes: programs }: DoctorReport, look: Look): string {
  const reach = examined.weights ? "" : ", weights not read";
  const purpose = programs.length === 0 ? "" : `; for ${programs.join(", ")}`;
  const seen = `${counted(examined.files, "file")}, ${counted(examined.tensors, "tensor")}${reach}${purpose}`;
  const has = (severity: Finding["severity"]): boolean =>
    findings.some((found) => found.severity === severity);
  const color = has("error") ? look.colors.red : has("warning") ? look.colors.yellow : look.colors.green;
  return [
    ...findings.map((found) => render(found, look)),
    `${bounded(model, 500)}: ${color(countedFindings(findings))} (${seen})`,
  ].join("\n");
}

function render(finding: Finding, look: Look): string {
  const { severity, code, message, hint = "" } = finding;
  const place = findingPlace(finding);
  const label = severityColor(severity, look.colors)(severity);
  return `${label}  ${code}  ${findingText(message)}${place === "" ? "" : `  ${place}`}\n  ${findingText(hint)}`;
}

/** Findings with `remedy` and `file` beside `hint` and `path`: scripts know these keys of the report. */
function reportJson({ findings, ...report }: DoctorReport): object {
  return {
    ...report,
    findings: findings.map((finding) => ({
      ...finding,
      remedy: finding.hint,
      ...(finding.path === undefined ? {} : { file: finding.path }),
    })),
  };
}
