/** `--calibrate TEXT`: statistics of a text, made first and used by one conversion. */
import {
  collectStatistics,
  expectedStatistics,
  type Model,
  type Plan,
  type PlanOptions,
  type RunOptions,
  refuseTaken,
  type StatisticsLocation,
  warningsOf,
} from "@requant/convert";
import { directoryStore } from "@requant/core/node";
import { type CalibrationOptions, withStatistics } from "./calibration-options.ts";
import type { Context } from "./context.ts";
import { calibrationTextOf, countOption, measured } from "./measure-arguments.ts";
import type { OutputPlace } from "./output.ts";
import { findingText, showWarnings } from "./render/findings.ts";
import { tell } from "./render/tell.ts";
import { removeFile, workingFile } from "./working-file.ts";

/** What a conversion gets of the statistics. */
interface GivenStatistics {
  readonly plan: Pick<PlanOptions, "statistics">;
  readonly run: Pick<RunOptions, "statistics">;
}

/** How statistics are made and what for. */
export interface Calibrated {
  readonly given: CalibrationOptions;
  readonly model: Model;
  readonly place: Pick<OutputPlace, "directory" | "name">;
  readonly jobs?: number | undefined;
  readonly resume?: boolean | undefined;
  readonly overwrite?: boolean | undefined;
  makePlan(options: GivenStatistics["plan"]): Promise<Plan>;
}

/** How a plan with a text is shown. */
interface ShownWithText {
  /** Whether measurements decide the plan. */
  readonly isMeasured: boolean;
  show(plan: Plan): Promise<number>;
}

/** The plan with the statistics that the text would give; nothing is computed. */
async function planWithText(
  calibrated: Pick<Calibrated, "given" | "model" | "makePlan">,
  context: Context,
): Promise<Plan> {
  // a text that cannot be read is refused here, not when the conversion runs
  await calibrationTextOf(calibrated.given.calibrate ?? "");
  const statistics = await expectedStatistics(calibrated.model, context.signal);
  const hasExperts = [...statistics.entries.values()].some(({ tokens }) => tokens.length > 1);
  const assumed = hasExperts ? "; the plan takes every expert as reached" : "";
  tell(`The statistics of the text are made when the conversion runs${assumed}.`, context);
  return calibrated.makePlan({ statistics });
}

/**
 * Shows the plan with the statistics of a text. They are computed only where they decide the plan: types or widths that are
 * chosen by measurements.
 */
export async function showPlanWithText(
  { isMeasured, show, ...calibrated }: Omit<Calibrated, "place"> & ShownWithText,
  context: Context,
): Promise<number> {
  if (!isMeasured) return show(await planWithText(calibrated, context));
  const place = { directory: undefined, name: undefined };
  return runWithText({ ...calibrated, place }, context, show);
}

/**
 * Makes the statistics, beside the output under a name of their own, hands the plan with them to `run`, and removes them. When
 * something fails they stay: the same command with --resume takes them.
 */
export async function runWithText(
  calibrated: Calibrated,
  context: Context,
  run: (plan: Plan, options: GivenStatistics["run"]) => Promise<number>,
): Promise<number> {
  const { given, model, place, resume = false, overwrite = false } = calibrated;
  const text = await calibrationTextOf(given.calibrate ?? "");
  // what can be refused is refused before the model runs
  const expected = await calibrated.makePlan({
    statistics: await expectedStatistics(model, context.signal),
  });
  if (place.directory !== undefined && !resume && !overwrite) {
    await refuseTaken(directoryStore(place.directory), expected);
  }
  const location = await workingFile(place, "statistics");
  const store = directoryStore(location.folder, { overwrite: true });
  const report = await measured(context, { jobs: calibrated.jobs, device: given.device }, (tools) =>
    collectStatistics({
      model,
      text,
      samples: countOption(given.samples),
      window: countOption(given.window),
      seed: countOption(given.seed),
      store,
      file: location.file,
      overwrite: true,
      resume,
      ...tools,
      onFinding: (found) => tell(findingText(`${found.message} ${found.hint ?? ""}`), context),
    }),
  );
  showWarnings(warningsOf(report.findings), context.streams, context.options);
  try {
    const own: StatisticsLocation = { store, file: location.file };
    const plan = await withStatistics(own, (statistics) => calibrated.makePlan({ statistics }));
    const status = await run(plan, { statistics: own });
    await removeFile(location);
    return status;
  } catch (error) {
    if (location.temporary) await removeFile(location);
    else tell("The statistics of the text are kept: the same command with --resume uses them.", context);
    throw error;
  }
}
