import { rmdir } from "node:fs/promises";
import {
  type ConversionReport,
  conversionWarnings,
  type Model,
  type Plan,
  planReport,
  plansByTarget,
  type RunOptions,
  reportsByTarget,
  runFindings,
  runPlan,
  warningsOf,
} from "@requant/convert";
import type { Finding } from "@requant/core";
import { asIoError, directoryStore, makeFolders } from "@requant/core/node";
import type { Context } from "./context.ts";
import { exitStatus } from "./exit.ts";
import { type OutputPlace, shownOutput, streamedOutput } from "./output.ts";
import { findingText, showWarnings } from "./render/findings.ts";
import { lookOf } from "./render/look.ts";
import { ProgressBar } from "./render/progress.ts";
import { renderReports, reportsJson } from "./render/reports.ts";
import { writeJson } from "./streams.ts";
import { namedWarnings } from "./target-warnings.ts";
import { threads } from "./threads.ts";

/**
 * Prints what would be done.
 * @param place where it would be done; default: on a disk
 */
export async function showPlan(
  plan: Plan,
  model: Model,
  { streams, options, look }: Context,
  place?: OutputPlace,
): Promise<number> {
  const reported = { plan, model, report: planReport(plan), isRemote: place?.remote !== undefined };
  const warnings = await warningsByTarget(plan, model);
  showWarnings(namedWarnings(plan, warnings), streams, options);
  if (options.json) writeJson(streams, reportsJson(reported, warnings));
  else streams.out.write(`${renderReports(reported, { tensors: true, look })}\n`);
  return exitStatus.done;
}

/** What a person should know before the plan of each target is carried out. */
async function warningsByTarget(plan: Plan, model: Model): Promise<(readonly Finding[])[]> {
  const warnings: Finding[][] = [];
  for (const own of plansByTarget(plan)) warnings.push(await conversionWarnings(own, model));
  return warnings;
}

/** What the command line says about a run. */
export interface ExecuteOptions
  extends Pick<RunOptions, "overwrite" | "check" | "imatrix" | "statistics" | "resume" | "allowNonFinite"> {
  readonly jobs?: number | undefined;
}

/** Runs a plan and prints the report. A folder that was made for it goes again when it fails. */
export async function execute(
  plan: Plan,
  model: Model,
  place: OutputPlace,
  context: Context,
  { jobs, ...run }: ExecuteOptions,
): Promise<number> {
  const { streams, signal, options } = context;
  const { directory, remote } = place;
  const isStream = directory === undefined && remote === undefined;
  const runIn = runnerOf(plan, model, place, context, run.overwrite === true);
  const warnings = await warningsByTarget(plan, model);
  showWarnings(namedWarnings(plan, warnings), streams, options);
  if (isStream && run.check !== false && options.quiet !== true)
    streams.err.write("note: Standard output cannot be read back, so what is written is not compared.\n");
  const bar = new ProgressBar(streams.err, options.quiet === true);
  const made = directory === undefined ? [] : await madeFolders(directory);
  try {
    const report = await runIn({
      ...run,
      check: !isStream && run.check,
      signal,
      workers: threads({ jobs }),
      onProgress: ({ done, total }) => bar.update(done, total),
      onFinding({ code, message, hint }) {
        bar.end();
        if (options.quiet === true || options.json === true) return;
        const wayOut = code === "kept" && hint !== undefined ? ` ${findingText(hint)}` : "";
        streams.err.write(`requant: ${findingText(message)}${wayOut}\n`);
      },
    });
    bar.end();
    const found = reportsByTarget(plan, report).map((own) => warningsOf(runFindings(own, run)));
    showWarnings(namedWarnings(plan, found), streams, options);
    const reported = { plan, model, report, isRemote: remote !== undefined };
    if (options.json) {
      const all = warnings.map((own, index) => [...own, ...(found[index] ?? [])]);
      writeJson(streams, reportsJson(reported, all));
    } else if (options.quiet !== true) {
      const look = isStream ? lookOf(streams.err) : context.look;
      const text = `${renderReports(reported, { tensors: false, look, shownOutput: (files) => shownOutput(place, files) })}\n`;
      if (isStream) streams.err.write(text);
      else streams.out.write(text);
    }
    return exitStatus.done;
  } catch (error) {
    bar.end();
    // only when empty: one that holds anything stays
    for (const folder of made.reverse()) await rmdir(folder).catch(() => {});
    throw error;
  }
}

/** What runs the plan into a place. */
function runnerOf(
  plan: Plan,
  model: Model,
  { directory, remote }: OutputPlace,
  context: Context,
  overwrite: boolean,
): (options: RunOptions) => Promise<ConversionReport> {
  if (remote !== undefined) return (options) => remote.run(plan, model, options, context);
  const store =
    directory === undefined ? streamedOutput(plan, context) : directoryStore(directory, { overwrite });
  return (options) => runPlan(plan, model, store, options);
}

/** The folders that were made now, the outermost first. */
async function madeFolders(path: string): Promise<string[]> {
  try {
    return await makeFolders(path);
  } catch (cause) {
    throw asIoError(cause, path, "make", "folder");
  }
}
