/** `convert --plan-out`: a plan that other machines carry out in parts. */
import { basename, dirname, join, resolve } from "node:path";
import {
  defaultBandByteLength,
  type GuideFile,
  type Model,
  type Plan,
  refuseTaken,
  type SavedPlanContent,
  savedPlan,
  serializePlan,
  sourceVersions,
} from "@requant/convert";
import { UsageError } from "@requant/core";
import { directoryStore, fileSink } from "@requant/core/node";
import { isCalibrationText } from "../calibration-options.ts";
import type { Context } from "../context.ts";
import type { Conversion } from "../conversion.ts";
import { showPlan } from "../execute.ts";
import type { Location } from "../location.ts";
import type { OutputPlace } from "../output.ts";
import type { ConversionArguments } from "../plan-arguments.ts";
import { tell } from "../render/tell.ts";
import { fileHash } from "./file-hash.ts";
import { refuseSecrets } from "./refuse-secrets.ts";

/** What `convert` was given, as far as a saved plan keeps it. */
export type SaveArguments = Pick<
  ConversionArguments,
  "imatrix" | "calibrate" | "includeWeights" | "excludeWeights"
> & {
  readonly planOut?: string | undefined;
  readonly plan?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly resume?: boolean | undefined;
  readonly overwrite?: boolean | undefined;
  readonly allowNonFinite?: boolean | undefined;
};

/** What is saved besides the plan. */
export interface PlanToSave {
  /** As the user named the model. */
  readonly argument: string;
  readonly location: Location;
  readonly place: OutputPlace;
  readonly given: SaveArguments;
}

/** @throws UsageError for options that do not go together with a saved plan */
export function refuseForSaving(given: SaveArguments, place: OutputPlace, { options }: Context): void {
  if (given.planOut === undefined) return;
  const clash = (
    [
      ["--plan", given.plan],
      ["--dry-run", given.dryRun],
      ["--resume", given.resume],
      ["--cache", options.cache === true],
    ] as const
  ).find(([, value]) => value === true);
  if (clash !== undefined) {
    throw new UsageError(`The options --plan-out and ${clash[0]} do not go together.`, {
      hint: `Leave out ${clash[0]}.`,
    });
  }
  if (place.remote !== undefined) {
    throw new UsageError("Parts cannot be written to a server: machines write them into the same files.", {
      hint: "Give a path that all machines share as the output, and send the files when requant finish is done.",
    });
  }
  if (place.directory === undefined) {
    throw new UsageError("Parts cannot be written to standard output.", {
      hint: "Give a path that all machines share as the output.",
    });
  }
  if (isCalibrationText(given.calibrate)) {
    throw new UsageError("A saved plan needs calibration statistics that are made already.", {
      hint: "Make them with requant calibrate … -o stats.safetensors, and give --calibrate stats.safetensors.",
    });
  }
}

/** Saves the plan in place of running it; its scales stay beside it. */
export function insteadOf(saving: PlanToSave, context: Context): NonNullable<Conversion["instead"]> {
  const path = resolve(saving.given.planOut ?? "");
  return {
    act: (plan, model) => savePlan(plan, model, saving, context),
    scales: { folder: dirname(path), file: `${basename(path)}.scales.safetensors`, temporary: false },
  };
}

/** Writes the plan, and prints it. */
async function savePlan(
  plan: Plan,
  model: Model,
  { argument, location, place, given }: PlanToSave,
  context: Context,
): Promise<number> {
  const { planOut = "", overwrite = false, allowNonFinite } = given;
  const output = place.directory ?? "";
  if (!overwrite) await refuseTaken(directoryStore(output), plan);
  const saved = savedPlan({
    source: { address: addressOf(argument, location), versions: await sourceVersions(model) },
    guides: await guidesOf(given, model, context.signal),
    output,
    options: {
      bandByteLength: defaultBandByteLength,
      ...(allowNonFinite === true ? { allowNonFinite } : {}),
      ...(overwrite ? { overwrite } : {}),
    },
    plan,
  });
  const sink = await fileSink(resolve(planOut), { overwrite });
  try {
    await sink.write(new TextEncoder().encode(serializePlan(saved)));
    await sink.close();
  } catch (error) {
    await sink.abort();
    throw error;
  }
  const status = await showPlan(plan, model, context);
  tell(
    `The plan is saved. Next: requant run ${planOut} --part 1/n, to n/n, on any machines; then requant finish ${planOut}.`,
    context,
  );
  return status;
}

/** A path from the root, or the address as the user wrote it. @throws UsageError for an address that may have a secret in it */
function addressOf(argument: string, { directory, file }: Location): string {
  if (directory !== undefined) return file === undefined ? directory : join(directory, file);
  refuseSecrets(argument);
  return argument;
}

async function guidesOf(
  { imatrix, calibrate, includeWeights = [], excludeWeights = [] }: SaveArguments,
  { folding }: Model,
  signal: AbortSignal,
): Promise<SavedPlanContent["guides"]> {
  const fileOf = async (argument: string): Promise<GuideFile> => {
    const path = resolve(argument);
    return { path, sha256: await fileHash(path, signal) };
  };
  const scales = folding?.location;
  return {
    ...(imatrix === undefined
      ? {}
      : { imatrix: { ...(await fileOf(imatrix)), include: includeWeights, exclude: excludeWeights } }),
    ...(calibrate === undefined ? {} : { statistics: await fileOf(calibrate) }),
    ...(scales === undefined ? {} : { scales: await fileOf(join(scales.store.name, scales.file)) }),
  };
}
