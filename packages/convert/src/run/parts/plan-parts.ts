/** A saved plan that is carried out in parts, on any machines, in any order, each part at least once. */
import { type SharedWork, UsageError } from "@requant/core";
import type { Model } from "../../model/model.ts";
import { firstChanged } from "../../model/source-versions.ts";
import { type FileLayout, layoutFile } from "../../plan/files/layout.ts";
import { type PlanReport, planReport } from "../../plan/report.ts";
import { runInto } from "../engine.ts";
import { refuseOtherModel } from "../other-model.ts";
import type { JournalHead } from "../outputs/journal.ts";
import { headOf } from "../outputs/journal-head.ts";
import { type OutputStore, outputExists, refuseMixedModels, refuseOverlap } from "../outputs/store.ts";
import { beginsWith } from "../outputs/written-header.ts";
import { byteLengthOf, cutIntoJobs } from "../pieces.ts";
import type { RunOptions } from "../run-options.ts";
import { reportOf } from "../run-report.ts";
import { RunState } from "../run-state.ts";
import { sharedByTargets } from "../sharing/shared-reading.ts";
import { FinishOutput } from "./finish-output.ts";
import { PartOutput } from "./part-output.ts";
import { type PartNumber, PartWork, refusePart } from "./part-work.ts";
import type { SavedPlan } from "./saved-plan.ts";

/** What a part or the finish may be told besides the plan. */
export type PartOptions = Pick<RunOptions, "signal" | "check" | "workers" | "onProgress">;

/** What became of a part. */
export interface PartReport extends PartNumber {
  /** "made": this call has made pieces; "whole": an earlier one had made them all; "published": the output is finished. */
  readonly state: "made" | "whole" | "published";
  readonly pieceCount: number;
  /** Pieces that this call has made. */
  readonly madeCount: number;
  /** Of the part's tensor data. */
  readonly byteLength: number;
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
  const stateOf = (work: PartWork["work"], options: PartOptions): RunState =>
    new RunState(plan, model, layouts, work, {
      ...guides,
      ...options,
      allowNonFinite: kept.allowNonFinite,
    });
  let head: Promise<JournalHead> | undefined;
  const headOnce = (): Promise<JournalHead> => {
    head ??= headOf(stateOf(parts.work, {})).catch((error: unknown) => {
      // a source that did not answer is asked again by the next part
      head = undefined;
      throw error;
    });
    return head;
  };
  const share = (make: boolean): Promise<SharedWork | undefined> => sharedOf(output, saved, make);
  const isFinished = (): Promise<boolean> => isPublished(output, layouts, kept);

  return {
    saved,
    jobCount: parts.work.jobs.length,
    async run(number, options = {}) {
      const started = performance.now();
      refusePart(number);
      const work = parts.workOf(number);
      const report = (state: PartReport["state"], madeCount: number): PartReport => ({
        ...number,
        state,
        pieceCount: work.jobs.reduce((sum, { pieces }) => sum + pieces.length, 0),
        madeCount,
        byteLength: work.jobs.reduce((sum, { pieces }) => sum + byteLengthOf(pieces), 0),
        seconds: (performance.now() - started) / 1000,
      });
      const begun = await share(false);
      if (begun === undefined && (await isFinished())) return report("published", 0);
      const shared = begun ?? (await share(true));
      if (shared === undefined || (await shared.isPublishing())) return report("published", 0);
      const run = stateOf(work, options);
      const place = { shared, parts, number, head: await headOnce() };
      const part = await PartOutput.open(run, place);
      await runInto(run, part);
      return report(part.made.size > 0 ? "made" : "whole", part.made.size);
    },
    async finish(options = {}) {
      const started = performance.now();
      const shared = await share(false);
      if (shared === undefined) {
        if (await isFinished()) return { ...planReport(plan), finishedAlready: true };
        throw new UsageError("No part of the plan was run yet.", {
          path: output.name,
          hint: "Run all parts first.",
          reason: "parts-missing",
        });
      }
      const run = stateOf(parts.work, options);
      await runInto(run, await FinishOutput.open(run, { shared, parts, head: await headOnce() }));
      return reportOf(run, started);
    },
  };
}

const FOREIGN_HINT = "Move that file away, or save the plan again with `overwrite`.";

async function sharedOf(
  output: OutputStore,
  { id }: SavedPlan,
  make: boolean,
): Promise<SharedWork | undefined> {
  if (output.share === undefined) {
    throw new UsageError("Parts need an output that several processes can write in place.", {
      path: output.name,
      hint: "Write into a folder that all machines share.",
    });
  }
  return output.share(id.slice(0, 16), { make });
}

/** @throws UsageError where a file of the source is not the one that the plan was made for */
async function refuseChangedSince({ source }: SavedPlan, model: Model): Promise<void> {
  const changed = await firstChanged(model, source.versions);
  if (changed === undefined) return;
  throw new UsageError("The source has changed since the plan was saved.", {
    path: `${model.folder}/${changed}`,
    hint: "Save a new plan.",
  });
}

/**
 * Whether the finished files are there: they begin as planned. Files that were there when the plan was saved are refused then,
 * or known by their versions: another plan's file may begin as this one's.
 * @throws IoError where other files have their names, and may not be replaced
 */
async function isPublished(
  output: OutputStore,
  layouts: readonly FileLayout[],
  { overwrite = false, replaces = {} }: SavedPlan["options"],
): Promise<boolean> {
  let found = 0;
  for (const { file, header } of layouts) {
    const source = await output.open(file.name);
    if (source === undefined) continue;
    try {
      const isOld = Object.hasOwn(replaces, file.name) && replaces[file.name] === (source.version ?? null);
      const isOwn = !isOld && source.byteLength === file.byteLength && (await beginsWith(source, header));
      if (isOwn) found += 1;
      else if (!overwrite)
        throw outputExists(output, file.name, "it is not what this plan makes", FOREIGN_HINT);
    } finally {
      await source.close();
    }
  }
  return found === layouts.length;
}
