/** The plan file of `run`, `finish` and `fleet`, and all that it names. */
import { basename, dirname } from "node:path";
import {
  foldedModel,
  type GuideFile,
  LONGEST_SAVED_PLAN,
  type Model,
  type OutputStore,
  openParts,
  type PlanParts,
  parseAnyPlan,
  type RunOptions,
  readFolded,
  type SavedPlan,
  type SavedStatisticsPlan,
  type StatisticsLocation,
} from "@requant/convert";
import { IoError, LimitError, UsageError } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { imatrixWeights } from "@requant/gguf";
import type { Context } from "../context.ts";
import { fileHash } from "../file-hash.ts";
import { readImatrixFile } from "../imatrix-file.ts";
import { locate } from "../locate.ts";
import { withModel } from "../open.ts";
import { sameEverywhere } from "./same-everywhere.ts";

/**
 * Reads a saved plan.
 * @param argument a path or an address
 * @param id of the plan that is expected
 */
export async function readSavedPlan(
  argument: string,
  context: Context,
  id?: string,
): Promise<SavedPlan | SavedStatisticsPlan> {
  const { store, file } = await locate(argument, context);
  const source = file === undefined ? undefined : await store.open(file);
  if (source === undefined) {
    throw new IoError("There is no such plan.", { path: argument, hint: "Check the path of the plan." });
  }
  try {
    if (source.byteLength > LONGEST_SAVED_PLAN) {
      throw new LimitError(
        `The plan has ${source.byteLength} bytes; at most ${LONGEST_SAVED_PLAN} are read.`,
        { path: argument, hint: "Check that this is the file that a plan was saved to." },
      );
    }
    const bytes = await source.read(0, source.byteLength);
    const saved = parseAnyPlan(new TextDecoder().decode(bytes), argument);
    if (id === undefined || id === saved.id) return saved;
    throw new UsageError("The file holds another plan than the one that was submitted.", {
      path: argument,
      hint: "Submit the plan again.",
    });
  } finally {
    await source.close();
  }
}

/** Opens a plan with its model and its other files, hands it to `use`, and closes all. */
export async function withSavedPlan<T>(
  saved: SavedPlan,
  context: Context,
  use: (parts: PlanParts, model: Model) => Promise<T>,
): Promise<T> {
  const { imatrix, statistics, scales } = saved.guides;
  for (const guide of [imatrix, statistics, scales]) {
    if (guide !== undefined) await refuseChanged(guide, context);
  }
  const guides: Pick<RunOptions, "imatrix" | "statistics"> = {
    ...(imatrix === undefined
      ? {}
      : { imatrix: imatrixWeights(await readImatrixFile(imatrix.path), imatrix) }),
    ...(statistics === undefined ? {} : { statistics: locationOf(statistics) }),
  };
  const output = await outputStore(saved, context);
  return withModel(saved.source.address, sameEverywhere(context), async (opened) => {
    const model = await withFolding(opened, scales);
    return use(await openParts(saved, model, output, guides), model);
  });
}

/** Where the finished files will be. */
export async function outputStore(
  { output, uploads, options: { overwrite = false } }: SavedPlan,
  { signal }: Context,
): Promise<OutputStore> {
  if (uploads === undefined) return directoryStore(output, { overwrite });
  const { s3PartsStore } = await import("../s3/output.ts");
  return s3PartsStore(output, process.env, signal);
}

/** @throws UsageError where a file that the plan names holds something else now */
export async function refuseChanged({ path, sha256 }: GuideFile, { signal }: Context): Promise<void> {
  if ((await fileHash(path, signal)) === sha256) return;
  throw new UsageError("The file has changed since the plan was saved.", {
    path,
    hint: "Put the old file back, or save a new plan.",
  });
}

function locationOf({ path }: GuideFile): StatisticsLocation {
  return { store: directoryStore(dirname(path)), file: basename(path) };
}

async function withFolding(model: Model, scales: GuideFile | undefined): Promise<Model> {
  if (scales === undefined) return model;
  const location = locationOf(scales);
  return foldedModel(model, await readFolded(location), { location });
}
