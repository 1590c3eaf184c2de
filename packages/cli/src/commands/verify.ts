import { modelFindings, type VerifyReport, verifyFindings, verifyModels, warningsOf } from "@requant/convert";
import { bounded } from "@requant/core/text";
import type { Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { withModel } from "../open.ts";
import { distinctFindings, findingText, showWarnings } from "../render/findings.ts";
import { ProgressBar } from "../render/progress.ts";
import { measure } from "../render/quantity.ts";
import { table } from "../render/table.ts";
import { fitted } from "../render/width.ts";
import { writeJson } from "../streams.ts";

export const verify: Handler = async ([first = "", second = ""], given, { streams, signal, options }) => {
  const tolerance = Number(given["tolerance"]);
  return withModel(first, signal, (a) =>
    withModel(second, signal, async (b) => {
      const bar = new ProgressBar(streams.err, options.quiet === true);
      const report = await verifyModels(a, b, {
        tolerance,
        signal,
        onProgress: (_tensor, done, total) => bar.update(done, total),
      }).finally(() => bar.end());
      const findings = distinctFindings([
        ...(await modelFindings(a, { vocabulary: true })),
        ...(await modelFindings(b, { vocabulary: true })),
        ...verifyFindings(report),
      ]);
      const warnings = warningsOf(findings);
      showWarnings(warnings, streams, options);
      if (options.json) writeJson(streams, { ...report, warnings });
      else streams.out.write(`${renderVerification(report)}\n`);
      return report.ok ? exitStatus.done : exitStatus.different;
    }),
  );
};

function renderVerification(report: VerifyReport): string {
  const differing = report.tensors.filter(({ equal }) => !equal);
  const equalCount = report.tensors.length - differing.length;
  const lines: string[] = [];
  if (differing.length > 0) {
    lines.push(
      table(
        [
          { title: "tensor" },
          { title: "encodings" },
          { title: "max abs", align: "right" },
          { title: "rmse", align: "right" },
          { title: "relative", align: "right" },
          { title: "SQNR dB", align: "right" },
          { title: "first at", align: "right" },
        ],
        differing.map((tensor) => [
          fitted(tensor.name, 44),
          `${tensor.from} ~ ${tensor.to}`,
          measure(tensor.maxAbsError),
          measure(tensor.rmse),
          measure(tensor.relativeRmse),
          Number.isFinite(tensor.sqnr) ? tensor.sqnr.toFixed(1) : "",
          tensor.firstDifference === undefined ? "" : String(tensor.firstDifference),
        ]),
      ),
    );
    for (const { name, diagnosis } of differing) {
      if (diagnosis !== undefined) lines.push(`${bounded(name)}: ${findingText(diagnosis.message)}`);
    }
  }
  for (const { name, a, b, diagnosis } of report.shapesDiffer) {
    lines.push(
      `${bounded(name)}: shapes differ, ${a.join("×")} and ${b.join("×")}${diagnosis === undefined ? "" : ` (${findingText(diagnosis.message)})`}`,
    );
  }
  for (const [where, names] of [
    [report.a.name, report.onlyInA],
    [report.b.name, report.onlyInB],
  ] as const) {
    if (names.length > 0)
      lines.push(`only in ${bounded(where, 500)}: ${names.map((name) => bounded(name)).join(", ")}`);
  }
  lines.push(`${equalCount} of ${report.tensors.length} tensors equal${verdict(report)}`);
  return lines.join("\n");
}

function verdict(report: VerifyReport): string {
  if (report.equal) return ": the models hold the same weights";
  return report.ok ? `: within the tolerance of ${report.tolerance}` : "";
}
