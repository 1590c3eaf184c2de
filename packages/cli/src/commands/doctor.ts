import { type DoctorReport, examineModel, type Runtime, runtimes } from "@requant/convert";
import { type Finding, UsageError } from "@requant/core";
import { bounded, quoted } from "@requant/core/text";
import type { Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { locate } from "../locate.ts";
import { findingPlace, findingText, severityColor } from "../render/findings.ts";
import type { Look } from "../render/look.ts";
import { ProgressBar } from "../render/progress.ts";
import { counted } from "../render/quantity.ts";
import { writeJson } from "../streams.ts";

export const doctor: Handler = async ([argument = ""], given, context) => {
  const { streams, signal, options, look } = context;
  const runtime = runtimeOf(given["for"]);
  const { store, file } = await locate(argument, context);
  const bar = new ProgressBar(streams.err, options.quiet === true);
  const report = await examineModel(
    { store, file },
    {
      weights: given["quick"] !== true,
      runtime,
      signal,
      onProgress: (done, total) => bar.update(done, total),
    },
  ).finally(() => bar.end());
  if (options.json) writeJson(streams, reportJson(report));
  else streams.out.write(`${renderFindings(report, look)}\n`);
  return report.ok ? exitStatus.done : exitStatus.different;
};

/** @throws UsageError for a program that nothing is known of */
function runtimeOf(given: unknown): Runtime | undefined {
  if (given === undefined) return undefined;
  const found = runtimes.find((name) => name === String(given).toLowerCase());
  if (found !== undefined) return found;
  throw new UsageError(`Doctor knows no program named ${quoted(String(given))}.`, {
    hint: `Give one of ${runtimes.join(", ")}.`,
  });
}

function renderFindings({ model, findings, examined, runtimes: programs }: DoctorReport, look: Look): string {
  const count = (severity: Finding["severity"]): number =>
    findings.filter((found) => found.severity === severity).length;
  const reach = examined.weights ? "" : ", weights not read";
  const purpose = programs.length === 0 ? "" : `; for ${programs.join(", ")}`;
  const seen = `${counted(examined.files, "file")}, ${counted(examined.tensors, "tensor")}${reach}${purpose}`;
  const [errors, warnings] = [count("error"), count("warning")];
  const color = errors > 0 ? look.colors.red : warnings > 0 ? look.colors.yellow : look.colors.green;
  return [
    ...findings.map((found) => render(found, look)),
    `${bounded(model, 500)}: ${color(`${counted(errors, "error")}, ${counted(warnings, "warning")}`)} (${seen})`,
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
