import { UsageError } from "@requant/core";
import type { Model } from "../model/model.ts";
import { layoutFile } from "../plan/files/layout.ts";
import type { Plan, PlanFile } from "../plan/plan.ts";
import { runInto } from "./engine.ts";
import { refuseOtherModel } from "./other-model.ts";
import { AppendOutput } from "./outputs/append.ts";
import { CompareOutput } from "./outputs/compare.ts";
import { headOf } from "./outputs/journal-head.ts";
import type { ResumableOutput, RunOutput } from "./outputs/output.ts";
import { StagedOutput } from "./outputs/staged.ts";
import {
  existingFiles,
  type OutputStore,
  outputExists,
  refuseMixedModels,
  refuseOverlap,
} from "./outputs/store.ts";
import { UploadOutput } from "./outputs/upload.ts";
import { cutIntoJobs } from "./pieces.ts";
import { defaultBandByteLength, type RunOptions } from "./run-options.ts";
import { type ConversionReport, reportOf } from "./run-report.ts";
import { RunState } from "./run-state.ts";
import { nothingShared, sharedByTargets } from "./sharing/shared-reading.ts";

/**
 * Runs a plan, or some of its jobs. Files appear under their names only when all of them are written and checked.
 * The bytes depend on the plan and the source alone.
 * @throws UsageError for a plan of another model, or an output inside the source; IoError for an output that exists or that
 *   another process writes; ConversionError for weights that are not finite, which `allowNonFinite` lets pass
 */
export async function runPlan(
  plan: Plan,
  model: Model,
  output: OutputStore,
  options: RunOptions = {},
): Promise<ConversionReport> {
  const started = performance.now();
  const files = chosenFiles(plan, options.files);
  refuseOtherModel(plan, model);
  // the plan has its own copies of the side files
  model.hf?.forgetSideFiles();
  await refuseOverlap(
    model,
    output,
    files.map(({ name }) => name),
  );
  await refuseMixedModels(plan, output);
  if (output.stage === undefined && output.upload === undefined) {
    await refuseUnstaged(output, files, options);
  }
  const layouts = files.map((file) => layoutFile(plan, file));
  // an output that is no file on a disk takes one file after the other
  const sharing = output.stage === undefined ? nothingShared : sharedByTargets(plan, model, layouts);
  const work = cutIntoJobs(layouts, options.bandByteLength ?? defaultBandByteLength, sharing);
  const run = new RunState(plan, model, layouts, work, options);
  await runInto(run, await outputFor(run, output));
  return reportOf(run, started);
}

/**
 * Names a run by everything that decides its bytes: the plan, the source's files and their versions, and what the options add. Two
 * runs with the same name make the same files.
 */
export async function runIdentity(plan: Plan, model: Model, options: RunOptions = {}): Promise<string> {
  const layouts = plan.files.map((file) => layoutFile(plan, file));
  const work = cutIntoJobs(layouts, options.bandByteLength ?? defaultBandByteLength);
  const { run, source } = await headOf(new RunState(plan, model, layouts, work, options));
  return JSON.stringify([run, source]);
}

/** Where the pieces go: into files on a disk, to a server in parts, to files that only grow, or beside files that are there. */
async function outputFor(run: RunState, store: OutputStore): Promise<RunOutput> {
  if (store.stage === undefined && store.upload === undefined) return new AppendOutput(run, store);
  const { resume = false, overwrite = false } = run.options;
  const planned = run.layouts.map(({ file }) => file);
  const existing = overwrite ? [] : await existingFiles(store, planned);
  const [taken] = existing;
  if (taken !== undefined && !resume) throw outputExists(store, taken);
  const output = await openResumable(run, store);
  const foreign = existing.find((name) => !output.isPublished(name));
  if (foreign === undefined) return output;
  const isComplete = existing.length === planned.length && output.isEmpty();
  if (!isComplete) {
    const error = outputExists(store, foreign);
    await output.end(error);
    throw error;
  }
  await output.close(false);
  // either the interrupted run had written all files, or the files come from elsewhere: the bytes decide
  return new CompareOutput(run, store);
}

function openResumable(run: RunState, store: OutputStore): Promise<ResumableOutput> {
  if (store.stage !== undefined) return StagedOutput.open(run, store.stage.bind(store));
  return UploadOutput.open(run, store);
}

function chosenFiles(plan: Plan, names: readonly string[] | undefined): PlanFile[] {
  if (names === undefined) return [...plan.files];
  return names.map((name) => {
    const file = plan.files.find((candidate) => candidate.name === name);
    if (file === undefined) throw new UsageError(`The plan makes no file "${name}".`);
    return file;
  });
}

/** Refuses options that need files which are written in place. */
async function refuseUnstaged(
  output: OutputStore,
  files: readonly PlanFile[],
  options: RunOptions,
): Promise<void> {
  if (options.resume === true) {
    throw new UsageError("A run can only be resumed where files are written in place or sent in parts.", {
      path: output.name,
      hint: "Write into a directory.",
    });
  }
  if (options.overwrite === true) return;
  const [taken] = await existingFiles(output, files);
  if (taken !== undefined) throw outputExists(output, taken);
}
