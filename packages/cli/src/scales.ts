/** Scales per input channel: searched before a calibrated conversion whose target has them. */
import {
  type Model,
  openStatisticsFile,
  type Plan,
  type RunOptions,
  refuseTaken,
  type StatisticsIndex,
  type StatisticsLocation,
  scaledModel,
  wantsScales,
} from "@requant/convert";
import { directoryStore } from "@requant/core/node";
import type { Context } from "./context.ts";
import type { OutputPlace } from "./output.ts";
import { ProgressBar } from "./render/progress.ts";
import { tell } from "./render/tell.ts";
import { removeFile, type WorkingFile, workingFile } from "./working-file.ts";

/** A conversion as it was planned without scales. */
interface Unscaled {
  readonly plan: Plan;
  readonly model: Model;
  readonly place: OutputPlace;
  readonly statistics: RunOptions["statistics"];
  readonly resume?: boolean | undefined;
  readonly overwrite?: boolean | undefined;
  /** Where the scales stay. Default: beside the output, until it is written. */
  readonly keep?: WorkingFile | undefined;
  /** The plan that scales are searched for. Default: `plan`. */
  readonly searchPlan?: ((statistics: StatisticsIndex) => Promise<Plan>) | undefined;
  makePlan(model: Model, statistics: StatisticsIndex): Promise<Plan>;
}

/** What a plan needs of the file. */
async function statisticsIndex(location: StatisticsLocation): Promise<StatisticsIndex> {
  const { entries, shared, origin, close } = await openStatisticsFile(location);
  await close();
  return { entries, shared, origin };
}

/**
 * Hands `run` the plan and the model with scales, or both as they are where the target has none. The scales lie beside the
 * output meanwhile; when something fails they stay, and the same command with --resume takes them.
 */
export async function withScales(
  { plan, searchPlan, model, place, statistics, resume = false, overwrite = false, keep, makePlan }: Unscaled,
  context: Context,
  run: (plan: Plan, model: Model) => Promise<number>,
): Promise<number> {
  if (statistics === undefined) return run(plan, model);
  const search = searchPlan === undefined ? plan : await searchPlan(await statisticsIndex(statistics));
  if (!wantsScales(search)) return run(plan, model);
  if (place.directory !== undefined && !resume && !overwrite) {
    await refuseTaken(directoryStore(place.directory), plan);
  }
  const location = keep ?? (await workingFile(place, "scales"));
  const { file } = location;
  const bar = new ProgressBar(context.streams.err, context.options.quiet === true, () => "searching scales");
  let isSearched = false;
  try {
    const scaled = await scaledModel(model, search, {
      statistics,
      keep: { store: directoryStore(location.folder, { overwrite: true }), file },
      resume,
      onProgress: ({ done, total }) => bar.update(done, total),
      signal: context.signal,
    });
    bar.end();
    isSearched = true;
    const status = await run(await makePlan(scaled, await statisticsIndex(statistics)), scaled);
    if (keep === undefined) await removeFile(location);
    return status;
  } catch (error) {
    bar.end();
    if (location.temporary) await removeFile(location);
    else if (isSearched) tell("The scales are kept: the same command with --resume uses them.", context);
    throw error;
  }
}
