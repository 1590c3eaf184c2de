import { type DoctorReport, examineModel, type Finding } from "@requant/convert";
import { bounded, boundedMessage } from "@requant/core/text";
import type { Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { locate } from "../locate.ts";
import { spellOptions } from "../render/options.ts";
import { ProgressBar } from "../render/progress.ts";
import { writeJson } from "../streams.ts";

export const doctor: Handler = async ([argument = ""], given, { streams, signal, options }) => {
  const { store, file } = await locate(argument, signal);
  const bar = new ProgressBar(streams.err, options.quiet === true);
  const report = await examineModel(
    { store, file },
    {
      weights: given["quick"] !== true,
      signal,
      onProgress: (done, total) => bar.update(done, total),
    },
  ).finally(() => bar.end());
  if (options.json) writeJson(streams, report);
  else streams.out.write(`${renderDiagnosis(report)}\n`);
  return report.ok ? exitStatus.done : exitStatus.different;
};

function renderDiagnosis({ model, findings, examined }: DoctorReport): string {
  const count = (severity: Finding["severity"]): number =>
    findings.filter((found) => found.severity === severity).length;
  const seen = `${examined.files} file${examined.files === 1 ? "" : "s"}, ${examined.tensors} tensors${examined.weights ? "" : ", weights not read"}`;
  return [
    ...findings.map(render),
    `${bounded(model, 500)}: ${count("error")} errors, ${count("warning")} warnings (${seen})`,
  ].join("\n");
}

function render({ severity, code, message, remedy, file, tensor, key }: Finding): string {
  const place = [file, tensor === undefined ? undefined : `tensor ${tensor}`, key].flatMap((part) =>
    part === undefined || message.includes(part) ? [] : [bounded(part)],
  );
  return `${severity}  ${code}  ${boundedMessage(spellOptions(message))}${place.length > 0 ? `  (${place.join(", ")})` : ""}\n  ${boundedMessage(spellOptions(remedy))}`;
}
