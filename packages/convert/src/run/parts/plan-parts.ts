/** A saved plan that is carried out in parts, on any machines, in any order, each part at least once. */
import type { Model } from "../../model/model.ts";
import { layoutFile } from "../../plan/files/layout.ts";
import { type PlanReport, planReport } from "../../plan/report.ts";
import { refuseOtherModel } from "../other-model.ts";
import { type OutputStore, refuseMixedModels, refuseOverlap } from "../outputs/store.ts";
import { cutIntoJobs } from "../pieces.ts";
import type { RunOptions } from "../run-options.ts";
import { reportOf } from "../run-report.ts";
import { sharedByTargets } from "../sharing/shared-reading.ts";
import { folderParts } from "./folder-parts.ts";
import { OpenWork, type PartOptions } from "./open-work.ts";
import { type PartNumber, PartWork, refusePart } from "./part-work.ts";
import type { PartResult } from "./parts-place.ts";
import { refuseChangedSince } from "./refuse-changed.ts";
import type { SavedPlan } from "./saved-plan.ts";
import { uploadParts } from "./upload-parts.ts";

export type { PartOptions } from "./open-work.ts";

/** What became of a part. */
export interface PartReport extends PartNumber, PartResult {
  readonly seconds: number;
}

/** What became of a finish. */
export type FinishReport = PlanReport & {
  /** The output was finished before: nothing was measured now. */
  readonly finishedAlready?: true | undefined;
};

/** An open plan: its jobs are cut once, for any number of parts. */
export interface PlanParts {
  readonly saved: SavedPlan;
  /** The most parts that have something to do each. */
  readonly jobCount: number;
  /** Makes the pieces of one part that are not made yet. Several machines may do so at once: they write the same bytes. */
  run(number: PartNumber, options?: PartOptions): Promise<PartReport>;
  /**
   * Checks that all pieces are made, reads them again, writes the headers and gives the files their names. Safe to call again.
   * @throws UsageError where parts are missing; IoError where bytes are not what a part wrote
   */
  finish(options?: PartOptions): Promise<FinishReport>;
}

/**
 * Opens a saved plan. The model is the one that it names, with the scales that it names folded in.
 * @param guides the files that the plan names
 * @throws UsageError for another model or a changed source, and for outputs that cannot be shared
 * @example
 * import { openModel, openParts, parseSavedPlan } from "@requant/convert";
 * import { directoryStore } from "@requant/core/node";
 *
 * async function convertInParts(json: string): Promise<void> {
 *   const saved = parseSavedPlan(json, "plan.json");
 *   const model = await openModel({ store: directoryStore(saved.source.address) });
 *   const parts = await openParts(saved, model, directoryStore(saved.output));
 *   for (let part = 1; part <= 4; part++) await parts.run({ part, count: 4 });
 *   await parts.finish();
 *   await model.close();
 * }
 */
export async function openParts(
  saved: SavedPlan,
  model: Model,
  output: OutputStore,
  guides: Pick<RunOptions, "imatrix" | "statistics"> = {},
): Promise<PlanParts> {
  const { plan, options: kept } = saved;
  refuseOtherModel(plan, model);
  await refuseChangedSince(saved, model);
  // the plan has its own copies of the side files
  model.hf?.forgetSideFiles();
  await refuseOverlap(
    model,
    output,
    plan.files.map(({ name }) => name),
  );
  await refuseMixedModels(plan, output);
  const layouts = plan.files.map((file) => layoutFile(plan, file));
  const sharing = sharedByTargets(plan, model, layouts);
  const jobs = cutIntoJobs(layouts, kept.bandByteLength, sharing);
  const parts = new PartWork(jobs, plan.tensors, layouts.length);
  const open = new OpenWork(saved, { model, output }, { layouts, parts }, guides);
  const place = saved.uploads === undefined ? folderParts(open) : uploadParts(open, saved.uploads);

  return {
    saved,
    jobCount: place.mostParts,
    async run(number, options = {}) {
      const started = performance.now();
      refusePart(number);
      const result = await place.run(number, options);
      return { ...number, ...result, seconds: (performance.now() - started) / 1000 };
    },
    async finish(options = {}) {
      const started = performance.now();
      const run = await place.finish(options);
      return run === undefined ? { ...planReport(plan), finishedAlready: true } : reportOf(run, started);
    },
  };
}
