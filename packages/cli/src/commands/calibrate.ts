import { basename, dirname, resolve } from "node:path";
import { type CollectReport, collectStatistics, warningsOf } from "@requant/convert";
import { UsageError } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import type { Handler } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { refuseAddress } from "../local-file.ts";
import { calibrationTextOf, countOption, measured } from "../measure-arguments.ts";
import { withModel } from "../open.ts";
import { findingText, showWarnings } from "../render/findings.ts";
import { earlierSteps } from "../render/quantity.ts";
import { statisticsSummary } from "../render/statistics.ts";
import { tell } from "../render/tell.ts";
import { writeJson } from "../streams.ts";

export const calibrate: Handler = async ([argument = ""], given, context) => {
  const { streams, options } = context;
  const path = outputFile(String(given["output"]));
  if (given["planOut"] !== undefined) {
    const { saveStatisticsPlan } = await import("../parts/statistics-parts.ts");
    await saveStatisticsPlan(argument, path, given, context);
    return exitStatus.done;
  }
  if (given["slices"] !== undefined) {
    throw new UsageError("The option --slices is about a saved plan.", {
      hint: "Leave it out, or give --plan-out.",
    });
  }
  const text = await calibrationTextOf(String(given["text"]));
  const overwrite = given["overwrite"] === true;
  const report = await withModel(argument, context, (model) =>
    measured(context, given, (tools) =>
      collectStatistics({
        model,
        text,
        window: countOption(given["window"]),
        samples: countOption(given["samples"]),
        seed: countOption(given["seed"]),
        store: directoryStore(dirname(path), { overwrite }),
        file: basename(path),
        overwrite,
        resume: given["resume"] === true,
        ...tools,
        onFinding: ({ message, hint = "" }) => tell(findingText(`${message} ${hint}`), context),
      }),
    ),
  );
  const warnings = warningsOf(report.findings);
  showWarnings(warnings, streams, options);
  const { findings: _, ...figures } = report;
  if (options.json) writeJson(streams, { file: path, ...figures, warnings });
  else if (options.quiet !== true) streams.out.write(`${summary(String(given["output"]), report)}\n`);
  return exitStatus.done;
};

function outputFile(argument: string): string {
  refuseAddress(argument, "--output");
  if (/[^/\\]\.safetensors$/i.test(argument)) return resolve(argument);
  throw new UsageError("Statistics are written to a file whose name ends in .safetensors.", {
    hint: "Give --output stats.safetensors, for example.",
  });
}

function summary(output: string, report: CollectReport): string {
  return `${statisticsSummary(output, report)}${earlierSteps(report.resumed)}`;
}
