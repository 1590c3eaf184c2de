import { mkdir, rmdir, stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import {
  type Model,
  modelFindings,
  notesOf,
  outputFindings,
  type Plan,
  type PlanReport,
  planReport,
  type RunOptions,
  runFindings,
  runPlan,
  warningsOf,
} from "@requant/convert";
import { nodeWorkers } from "@requant/convert/node";
import type { Finding } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import type { Context } from "./context.ts";
import { exitStatus } from "./exit.ts";
import { distinctFindings, findingText, showWarnings } from "./render/findings.ts";
import { ProgressBar } from "./render/progress.ts";
import { renderReport } from "./render/report.ts";
import { writeJson } from "./streams.ts";

export interface OutputPlace {
  readonly directory: string;
  /** Of the one file, or of the parts without their numbers; undefined where the output is a folder. */
  readonly name: string | undefined;
}

/** A GGUF goes into a file, unless the output is a folder that exists; everything else is a folder of files. */
export async function outputPlace(output: string, singleFile: boolean): Promise<OutputPlace> {
  const path = resolve(output);
  const isDirectory = await stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );
  if (!singleFile || isDirectory) return { directory: path, name: undefined };
  return { directory: dirname(path), name: basename(path) };
}

/** Prints what would be done. */
export async function showPlan(plan: Plan, model: Model, { streams, options }: Context): Promise<number> {
  const report = planReport(plan);
  const warnings = await conversionWarnings(plan, model);
  showWarnings(warnings, streams, options);
  if (options.json) writeJson(streams, reportJson(report, warnings));
  else streams.out.write(`${renderReport(report, { tensors: true })}\n`);
  return exitStatus.done;
}

async function conversionWarnings(plan: Plan, model: Model): Promise<Finding[]> {
  const ofModel = await modelFindings(model, { vocabulary: true, madeFromIt: plan });
  return warningsOf(distinctFindings([...ofModel, ...outputFindings(plan), ...plan.findings]));
}

/** The report as people and scripts know it: findings as `notes` and `warnings`. */
function reportJson({ findings, ...report }: PlanReport, warnings: readonly Finding[]): object {
  return { ...report, notes: notesOf(findings), warnings };
}

/** What the command line says about a run. */
export interface ExecuteOptions
  extends Pick<RunOptions, "overwrite" | "check" | "imatrix" | "resume" | "allowNonFinite"> {
  readonly jobs?: number | undefined;
}

/** Runs a plan into a folder and prints the report. A folder that was made for it goes again when it fails. */
export async function execute(
  plan: Plan,
  model: Model,
  directory: string,
  { streams, signal, options }: Context,
  { jobs, ...run }: ExecuteOptions,
): Promise<number> {
  const warnings = await conversionWarnings(plan, model);
  showWarnings(warnings, streams, options);
  const bar = new ProgressBar(streams.err, options.quiet === true);
  const made = await mkdir(directory, { recursive: true });
  try {
    const report = await runPlan(
      plan,
      model,
      directoryStore(directory, { overwrite: run.overwrite === true }),
      {
        ...run,
        signal,
        workers: nodeWorkers({ jobs }),
        onProgress: ({ done, total }) => bar.update(done, total),
        onFinding({ code, message, hint }) {
          bar.end();
          if (options.quiet === true || options.json === true) return;
          const wayOut = code === "kept" && hint !== undefined ? ` ${findingText(hint)}` : "";
          streams.err.write(`requant: ${findingText(message)}${wayOut}\n`);
        },
      },
    );
    bar.end();
    const found = warningsOf(runFindings(report, run));
    showWarnings(found, streams, options);
    if (options.json) writeJson(streams, reportJson(report, [...warnings, ...found]));
    else if (options.quiet !== true) streams.out.write(`${renderReport(report, { tensors: false })}\n`);
    return exitStatus.done;
  } catch (error) {
    bar.end();
    // only when empty: one that holds anything stays
    if (made !== undefined) await rmdir(directory).catch(() => {});
    throw error;
  }
}
