/** What the commands that convert do with a plan: they show it, or make what it needs and run it. */
import {
  type Model,
  measuresWeights,
  type Plan,
  type PlanOptions,
  type RunOptions,
  type StatisticsIndex,
  type Target,
} from "@requant/convert";
import { printable } from "@requant/core/text";
import { type CalibrationOptions, isCalibrationText } from "./calibration-options.ts";
import type { Context } from "./context.ts";
import { type ExecuteOptions, execute, showPlan } from "./execute.ts";
import type { OutputPlace } from "./output.ts";
import { withScales } from "./scales.ts";
import type { WorkingFile } from "./working-file.ts";

/** A model, and how it is planned. */
interface PlannedConversion {
  readonly model: Model;
  /** Several are made of one reading. */
  readonly targets: readonly Target[];
  /** What was asked for, without the statistics of a text. */
  readonly options: Omit<PlanOptions, "like" | "base">;
  readonly given: CalibrationOptions & { readonly jobs?: number | undefined };
  planOf(source: Model, more?: Pick<PlanOptions, "statistics">): Promise<Plan>;
}

/** A conversion that is carried out. */
export interface Conversion extends PlannedConversion {
  readonly place: OutputPlace;
  /** The files that the run reads again. */
  readonly files: Pick<RunOptions, "imatrix" | "statistics">;
  readonly given: PlannedConversion["given"] &
    Pick<ExecuteOptions, "overwrite" | "jobs" | "resume" | "allowNonFinite"> & { readonly verify: boolean };
  /** What is done with the plan in place of running it, and where scales stay that it needs. */
  readonly instead?:
    | { act(plan: Plan, model: Model): Promise<number>; readonly scales: WorkingFile }
    | undefined;
  /** The plan that scales are searched for. Default: that of the conversion. */
  searchPlan?(statistics: StatisticsIndex): Promise<Plan>;
}

/** Where a plan that is only shown would be carried out. */
interface ShownPlace {
  readonly place: OutputPlace;
  /** Shows what would be done there beside the conversion, too. */
  readonly isDryRun?: boolean;
}

/** Shows the plan; with a text, that of the statistics which the text would give. */
export async function showConversion(
  { model, targets, options, given, planOf }: PlannedConversion,
  context: Context,
  { place, isDryRun = false }: Partial<ShownPlace> = {},
): Promise<number> {
  const show = async (plan: Plan): Promise<number> => {
    const status = await showPlan(plan, model, context, place);
    if (isDryRun && context.options.json !== true) await showPreview(plan, model, place, context);
    return status;
  };
  if (!isCalibrationText(given.calibrate)) return show(await planOf(model));
  const { showPlanWithText } = await import("./calibration.ts");
  const isMeasured = targets.some((target) => measuresWeights(model, target, options));
  const makePlan = (more: Pick<PlanOptions, "statistics">): Promise<Plan> => planOf(model, more);
  return showPlanWithText({ given, model, jobs: given.jobs, makePlan, isMeasured, show }, context);
}

/** What would be done on a server beside the conversion. */
async function showPreview(
  plan: Plan,
  model: Model,
  place: OutputPlace | undefined,
  context: Context,
): Promise<void> {
  const preview = await place?.remote?.preview?.(plan, model, context);
  if (preview === undefined) return;
  const lines = preview.split("\n").map((line) => printable(line));
  context.streams.out.write(`\n${lines.join("\n")}\n`);
}

/** Makes the statistics of a text, and scales per input channel, where they are needed, and runs the plan. */
export async function carryOut(conversion: Conversion, context: Context): Promise<number> {
  const { model, given, place, files, planOf } = conversion;
  if (!isCalibrationText(given.calibrate)) return runPlanned(await planOf(model), conversion, files, context);
  const { runWithText } = await import("./calibration.ts");
  const { jobs, resume, overwrite } = given;
  const makePlan = (more: Pick<PlanOptions, "statistics">): Promise<Plan> => planOf(model, more);
  return runWithText({ given, model, place, jobs, resume, overwrite, makePlan }, context, (plan, made) =>
    runPlanned(plan, conversion, { ...files, ...made }, context),
  );
}

async function runPlanned(
  plan: Plan,
  { model, place, given, planOf, searchPlan, instead }: Conversion,
  files: Conversion["files"],
  context: Context,
): Promise<number> {
  const { overwrite, resume, jobs, allowNonFinite, verify } = given;
  const { statistics } = files;
  return withScales(
    {
      plan,
      searchPlan,
      model,
      place,
      statistics,
      resume,
      overwrite,
      keep: instead?.scales,
      makePlan: (source, index) => planOf(source, { statistics: index }),
    },
    context,
    (scaled, source) =>
      instead?.act(scaled, source) ??
      execute(scaled, source, place, context, {
        overwrite,
        jobs,
        resume,
        check: verify,
        allowNonFinite,
        ...files,
      }),
  );
}
