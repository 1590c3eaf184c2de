import {
  distinctFindings,
  modelFindings,
  type VerifiedTensor,
  type VerifyReport,
  verifyFindings,
  verifyModels,
  warningsOf,
} from "@requant/convert";
import { elementCount } from "@requant/core";
import { bounded } from "@requant/core/text";
import type { Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { withModel } from "../open.ts";
import { findingText, showWarnings } from "../render/findings.ts";
import type { Look } from "../render/look.ts";
import { ProgressBar } from "../render/progress.ts";
import { counted, measure, percentage } from "../render/quantity.ts";
import { table } from "../render/table.ts";
import { writeJson } from "../streams.ts";

export const verify: Handler = async ([first = "", second = ""], given, context) => {
  const { streams, signal, options, look } = context;
  const tolerance = Number(given["tolerance"]);
  return withModel(first, context, (a) =>
    withModel(second, context, async (b) => {
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
      else streams.out.write(`${renderVerification(report, look)}\n`);
      return report.ok ? exitStatus.done : exitStatus.different;
    }),
  );
};

function renderVerification(report: VerifyReport, look: Look): string {
  const failed = report.tensors.filter(({ ok }) => !ok);
  const lines: string[] = [];
  if (failed.length > 0) {
    lines.push(
      table(
        [
          { title: "tensor" },
          { title: "encodings", wrap: true },
          { title: "max abs", align: "right" },
          { title: "rmse", align: "right" },
          { title: "relative", align: "right" },
          { title: "SQNR dB", align: "right" },
          { title: "differ", align: "right" },
        ],
        failed.map((tensor) => [
          tensor.name,
          `${tensor.from} ~ ${tensor.to}`,
          measure(tensor.maxAbsError),
          measure(tensor.rmse),
          percentage(tensor.relativeRmse),
          Number.isFinite(tensor.sqnr) ? tensor.sqnr.toFixed(1) : "",
          differing(tensor),
        ]),
        look,
      ),
    );
    for (const { name, diagnosis } of failed) {
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
  lines.push(total(report, look));
  return lines.join("\n");
}

/** From this share on, where the first difference is says nothing: a quantizer changes nearly every weight. */
const MANY = 0.01;

/** How many weights differ; of a few, where the first one is. */
function differing({ differences, firstDifference, shape }: VerifiedTensor): string {
  const share = differences / elementCount(shape);
  if (share >= MANY || firstDifference === undefined) return `${Math.ceil(share * 100)} %`;
  return `${differences}, at ${firstDifference}`;
}

/** The last line: how many are equal, what the largest difference is, and what that means. */
function total(report: VerifyReport, { colors }: Look): string {
  const { tensors } = report;
  const equal = tensors.filter((tensor) => tensor.equal).length;
  const worst = tensors.reduce<VerifiedTensor | undefined>(
    (most, tensor) => (tensor.equal || tensor.relativeRmse <= (most?.relativeRmse ?? -1) ? most : tensor),
    undefined,
  );
  const counts = `total: ${equal} of ${counted(tensors.length, "tensor")} equal`;
  const most =
    worst === undefined
      ? ""
      : `; the largest relative RMSE is ${percentage(worst.relativeRmse)} (${bounded(worst.name)})`;
  const verdict = report.equal
    ? "The models hold the same weights."
    : report.ok
      ? `All differences are within the tolerance of ${percentage(report.tolerance)}.`
      : "The models differ.";
  return `${counts}${most}. ${(report.ok ? colors.green : colors.red)(verdict)}`;
}
