/** `--calibrate TEXT`: statistics of a text, made first and used by one conversion. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import {
  collectStatistics,
  expectedStatistics,
  type Model,
  openStatisticsFile,
  type Plan,
  type PlanOptions,
  type RunOptions,
  refuseTaken,
  type StatisticsFile,
  type StatisticsLocation,
  warningsOf,
} from "@requant/convert";
import { UsageError } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import type { Context } from "./context.ts";
import { showPlan } from "./execute.ts";
import { countOption, measured, textOf } from "./measure-arguments.ts";
import type { OutputPlace } from "./output.ts";
import { findingText, showWarnings } from "./render/findings.ts";

/** The options that say which text is read, and how. */
export interface CalibrationOptions {
  readonly calibrate?: string | undefined;
  readonly samples?: string | undefined;
  readonly window?: string | undefined;
  readonly seed?: string | undefined;
}

/** Calls `use` with statistics that a plan can read; the run, and its workers, open the file again. */
export async function withStatistics<T>(
  location: StatisticsLocation,
  use: (statistics: StatisticsFile) => Promise<T>,
): Promise<T> {
  const file = await openStatisticsFile(location);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** True for a text; a file of statistics has the ending of its format. */
export function isCalibrationText(calibrate: string | undefined): calibrate is string {
  return calibrate !== undefined && !/\.safetensors$/i.test(calibrate);
}

/** @throws UsageError for options about a text where there is none */
export function refuseWithoutText(given: CalibrationOptions): void {
  if (isCalibrationText(given.calibrate)) return;
  const flag = (["samples", "window", "seed"] as const).find((name) => given[name] !== undefined);
  if (flag === undefined) return;
  const [what, hint] =
    given.calibrate === undefined
      ? ["no text is given", "Give one with --calibrate TEXT."]
      : ["the statistics are made already", "Leave it out, or give a text with --calibrate."];
  throw new UsageError(`The option --${flag} is about a calibration text, and ${what}.`, { hint });
}

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

/** The plan with the statistics that the text would give; nothing is computed. */
async function planWithText(
  { model, makePlan }: Pick<Calibrated, "model" | "makePlan">,
  { signal }: Context,
): Promise<Plan> {
  return makePlan({ statistics: await expectedStatistics(model, signal) });
}

/**
 * Shows the plan with the statistics of a text. They are computed only where they decide the plan: types or widths that are
 * chosen by measurements.
 */
export async function showPlanWithText(
  { isMeasured, ...calibrated }: Omit<Calibrated, "place"> & { readonly isMeasured: boolean },
  context: Context,
): Promise<number> {
  const { model } = calibrated;
  if (!isMeasured) return showPlan(await planWithText(calibrated, context), model, context);
  const place = { directory: undefined, name: undefined };
  return runWithText({ ...calibrated, place }, context, (plan) => showPlan(plan, model, context));
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
  const text = await textOf(given.calibrate ?? "");
  // what can be refused is refused before the model runs
  const expected = await planWithText(calibrated, context);
  if (place.directory !== undefined && !resume && !overwrite) {
    await refuseTaken(directoryStore(place.directory), expected);
  }
  const location = await statisticsPlace(place);
  const store = directoryStore(location.folder, { overwrite: true });
  const report = await measured(context, calibrated.jobs, (tools) =>
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
    await remove(location);
    return status;
  } catch (error) {
    if (location.temporary) await remove(location);
    else tell("The statistics of the text are kept: the same command with --resume uses them.", context);
    throw error;
  }
}

function tell(text: string, { streams, options }: Context): void {
  if (options.quiet !== true && options.json !== true) streams.err.write(`requant: ${text}\n`);
}

interface StatisticsPlace {
  readonly folder: string;
  readonly file: string;
  /** In a folder of its own, which nobody finds again. */
  readonly temporary: boolean;
}

/** Beside the output, as its working files are; for standard output in a folder for temporary files. */
async function statisticsPlace({ directory, name }: Calibrated["place"]): Promise<StatisticsPlace> {
  if (directory === undefined) {
    const folder = await mkdtemp(join(tmpdir(), "requant-"));
    return { folder, file: "statistics.safetensors", temporary: true };
  }
  const path = name === undefined ? directory : join(directory, name);
  return { folder: dirname(path), file: `.${basename(path)}.statistics.safetensors`, temporary: false };
}

async function remove({ folder, file, temporary }: StatisticsPlace): Promise<void> {
  await rm(temporary ? folder : join(folder, file), { recursive: temporary, force: true });
}
