import { UsageError } from "@requant/core";
import type { Model } from "../model/model.ts";
import { layoutFile } from "../plan/files/layout.ts";
import type { Plan, PlanFile } from "../plan/plan.ts";
import { type PlanReport, planReport, reportNonFinite } from "../plan/report.ts";
import { runInto } from "./engine.ts";
import { AppendOutput } from "./outputs/append.ts";
import { CompareOutput } from "./outputs/compare.ts";
import type { RunOutput } from "./outputs/output.ts";
import { StagedOutput } from "./outputs/staged.ts";
import {
  existingFiles,
  type OutputStore,
  outputExists,
  refuseMixedModels,
  refuseOverlap,
} from "./outputs/store.ts";
import type { RunOptions } from "./run-options.ts";
import { RunState } from "./run-state.ts";

/** What was done: the plan's report with the measured errors and the time. */
export type ConversionReport = PlanReport & { readonly seconds: number };

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
  const { stage } = output;
  if (stage === undefined) await refuseUnstaged(output, files, options);
  const layouts = files.map((file) => layoutFile(plan, file));
  // an output that only appends takes one file after the other
  const sharesReading = plan.targets !== undefined && stage !== undefined;
  const run = new RunState(plan, model, layouts, options, sharesReading);
  await runInto(run, await outputFor(run, output));
  const report = planReport(plan);
  const results = run.tensorResults();
  return {
    ...report,
    tensors: report.tensors.map((tensor, index) => {
      const planned = plan.tensors[index];
      const result = planned === undefined ? undefined : results.get(planned);
      if (result === undefined) return tensor;
      const { nonFinite, ...errors } = result;
      return {
        ...tensor,
        ...errors,
        ...(nonFinite === undefined ? {} : { nonFinite: reportNonFinite(nonFinite, tensor.shape) }),
      };
    }),
    seconds: (performance.now() - started) / 1000,
  };
}

/** Where the pieces go: into files on a disk, to files that only grow, or beside files that are there already. */
async function outputFor(run: RunState, store: OutputStore): Promise<RunOutput> {
  if (store.stage === undefined) return new AppendOutput(run, store);
  const { resume = false, overwrite = false } = run.options;
  const planned = run.layouts.map(({ file }) => file);
  const existing = overwrite ? [] : await existingFiles(store, planned);
  const [taken] = existing;
  if (taken !== undefined && !resume) throw outputExists(store, taken);
  const output = await StagedOutput.open(run, store.stage.bind(store));
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

function chosenFiles(plan: Plan, names: readonly string[] | undefined): PlanFile[] {
  if (names === undefined) return [...plan.files];
  return names.map((name) => {
    const file = plan.files.find((candidate) => candidate.name === name);
    if (file === undefined) throw new UsageError(`The plan makes no file "${name}".`);
    return file;
  });
}

function refuseOtherModel(plan: Plan, model: Model): void {
  const fits =
    plan.source.files.length === model.files.length &&
    plan.source.files.every(({ name, byteLength }, index) => {
      const file = model.files[index];
      return file !== undefined && file.name === name && file.byteLength === byteLength;
    });
  if (!fits) {
    throw new UsageError("The plan was made for another model, or the model's files have changed since.", {
      path: model.name,
      hint: "Plan again.",
    });
  }
}

/** Refuses options that need files which are written in place. */
async function refuseUnstaged(
  output: OutputStore,
  files: readonly PlanFile[],
  options: RunOptions,
): Promise<void> {
  if (options.resume === true) {
    throw new UsageError("A run can only be resumed where files are written in place.", {
      path: output.name,
      hint: "Write into a directory.",
    });
  }
  if (options.overwrite === true) return;
  const [taken] = await existingFiles(output, files);
  if (taken !== undefined) throw outputExists(output, taken);
}
