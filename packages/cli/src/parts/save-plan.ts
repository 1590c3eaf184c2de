/** `convert --plan-out`: a plan that other machines carry out in parts. */
import { basename, dirname, join, resolve } from "node:path";
import {
  defaultBandByteLength,
  existingVersions,
  type GuideFile,
  type Model,
  type OutputStore,
  type Plan,
  plannedVersions,
  refuseMixedModels,
  refuseTaken,
  type SavedPlanContent,
  savedPlan,
  serializePlan,
} from "@requant/convert";
import { type BegunUpload, UsageError } from "@requant/core";
import { directoryStore, fileSink } from "@requant/core/node";
import { isCalibrationText } from "../calibration-options.ts";
import type { Context } from "../context.ts";
import type { Conversion } from "../conversion.ts";
import { showPlan } from "../execute.ts";
import { exitStatus } from "../exit.ts";
import { fileHash } from "../file-hash.ts";
import type { Location } from "../location.ts";
import type { OutputPlace } from "../output.ts";
import type { ConversionArguments } from "../plan-arguments.ts";
import { tell } from "../render/tell.ts";
import { refuseOpenUploads } from "./refuse-open-uploads.ts";
import { refuseNoPath, refuseOutputAsPlan, refuseSourceAsPlan, scalesBeside } from "./refuse-plan-place.ts";
import { savedAddress } from "./refuse-secrets.ts";

/** What `convert` was given, as far as a saved plan keeps it. */
export type SaveArguments = Pick<
  ConversionArguments,
  "imatrix" | "calibrate" | "includeWeights" | "excludeWeights" | "like" | "base"
> & {
  readonly planOut?: string | undefined;
  readonly plan?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly jobs?: number | undefined;
  /** False under `--no-verify`. */
  readonly verify?: boolean | undefined;
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
export function refuseForSaving(
  given: SaveArguments,
  place: OutputPlace,
  { options, signal }: Context,
): void {
  if (given.planOut === undefined) return;
  const clash = (
    [
      ["--plan", given.plan],
      ["--dry-run", given.dryRun],
      ["--resume", given.resume],
      ["--cache", options.cache === true],
      ["--jobs", given.jobs !== undefined, ATTACHED],
      ["--no-verify", given.verify === false, ATTACHED],
    ] as const
  ).find(([, value]) => value === true);
  if (clash !== undefined) {
    throw new UsageError(`The options --plan-out and ${clash[0]} do not go together.`, {
      hint: `Leave out ${clash[0]}${clash[2] ?? ""}.`,
    });
  }
  refuseNoPath(given.planOut);
  if (place.remote !== undefined && place.remote.partsStore === undefined) {
    throw new UsageError("Parts cannot be written to the hub: machines write them into the same files.", {
      hint: "Give s3://bucket/folder or a path that all machines share as the output, and send the files when requant finish is done.",
    });
  }
  // missing keys are told before long work
  place.remote?.partsStore?.(signal);
  if (place.directory === undefined && place.remote === undefined) {
    throw new UsageError("Parts cannot be written to standard output.", {
      hint: "Give a path that all machines share, or s3://bucket/folder, as the output.",
    });
  }
  if (isCalibrationText(given.calibrate)) {
    throw new UsageError("A saved plan needs calibration statistics that are made already.", {
      hint: "Make them with requant calibrate … -o stats.safetensors, and give --calibrate stats.safetensors.",
    });
  }
}

const ATTACHED = ", or give it to requant run and requant finish";

/**
 * Saves the plan in place of running it; its scales stay beside it.
 * @throws UsageError for a plan that would be saved over what is read
 */
export async function insteadOf(
  saving: PlanToSave,
  model: Model,
  context: Context,
): Promise<NonNullable<Conversion["instead"]>> {
  const { planOut = "", imatrix, calibrate, like, base } = saving.given;
  const path = resolve(planOut);
  const read = [imatrix, calibrate, like, base].filter((argument) => argument !== undefined);
  await refuseSourceAsPlan(path, model, read);
  return {
    act: (plan, model) => savePlan(plan, model, saving, context),
    scales: { folder: dirname(path), file: basename(scalesBeside(path)), temporary: false },
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
  const { output, store } = await outputOf(place, planOut, plan, context);
  if (!overwrite) await refuseTaken(store, plan);
  const content: SavedPlanContent = {
    source: { address: savedAddress(argument, location), versions: await plannedVersions(model) },
    guides: await guidesOf(given, model, context.signal),
    output,
    options: {
      bandByteLength: defaultBandByteLength,
      ...(allowNonFinite === true ? { allowNonFinite } : {}),
      ...(overwrite ? { overwrite, replaces: await existingVersions(store, plan) } : {}),
    },
    plan,
  };
  if (overwrite) await refuseOpenUploads(resolve(planOut), planOut, context);
  const sink = await fileSink(resolve(planOut), { overwrite });
  try {
    await withUploads(store, plan, async (uploads) => {
      await sink.write(new TextEncoder().encode(serializePlan(savedPlan({ ...content, ...uploads }))));
      await sink.close();
    });
  } catch (error) {
    await sink.abort();
    throw error;
  }
  const { quiet, json } = context.options;
  const isShown = quiet !== true || json === true;
  const status = isShown ? await showPlan(plan, model, context) : exitStatus.done;
  tell(
    `The plan is saved. Next: requant run ${planOut} --part 1/n, to n/n, on any machines; then requant finish ${planOut}.`,
    context,
  );
  return status;
}

/** Where the finished files will be, and its store. */
async function outputOf(
  { directory, remote }: OutputPlace,
  planOut: string,
  plan: Plan,
  { signal }: Context,
): Promise<{ readonly output: string; readonly store: OutputStore }> {
  const remoteStore = remote?.partsStore?.(signal);
  if (remote !== undefined && remoteStore !== undefined) {
    await refuseMixedModels(plan, remoteStore);
    return { output: remote.folder, store: remoteStore };
  }
  const output = directory ?? "";
  await refuseOutputAsPlan(planOut, output, plan);
  return { output, store: directoryStore(output) };
}

/** Begins an upload for each file, where the output is on a server; they are removed where `use` fails. */
async function withUploads(
  store: OutputStore,
  { files }: Plan,
  use: (content: Pick<SavedPlanContent, "uploads">) => Promise<void>,
): Promise<void> {
  const { beginUpload, shareUploads } = store;
  if (beginUpload === undefined) return use({});
  const begun: BegunUpload[] = [];
  try {
    for (const { name, byteLength } of files) begun.push(await beginUpload(name, byteLength));
    await use({ uploads: begun.map(({ id, partByteLength }) => ({ id, partByteLength })) });
  } catch (error) {
    for (const upload of shareUploads?.("begun", begun).files ?? []) await upload.abandon().catch(() => {});
    throw error;
  }
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
