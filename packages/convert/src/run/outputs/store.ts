import { IoError, type ReadStore, UsageError, type WriteStore } from "@requant/core";
import { withoutTrailing } from "@requant/core/text";
import type { Model } from "../../model/model.ts";
import type { Plan } from "../../plan/plan.ts";

/** A folder that is written to and read back from. */
export interface OutputStore extends ReadStore, WriteStore {}

function withoutTrailingSlash(path: string): string {
  return withoutTrailing(path, "/\\");
}

function joinPath(folder: string, file: string): string {
  return `${withoutTrailingSlash(folder)}/${file}`;
}

/**
 * Refuses an output that is a file of the source, or that lies in the source's folder when that folder is the model. An adapter
 * that is merged into the model is a source, too.
 * Paths are compared as the stores name them, and by their real paths where both stores know these, so that a
 * link cannot hide an overlap.
 * @throws UsageError
 */
export async function refuseOverlap(
  model: Model,
  output: OutputStore,
  files: readonly string[],
): Promise<void> {
  if (model.merged !== undefined) await refuseOverlap(model.merged.adapter, output, files);
  refuseClash({
    source: model.name,
    sourceFiles: model.files.map(({ name }) => joinPath(model.folder, name)),
    output: output.name,
    outputFiles: files.map((name) => joinPath(output.name, name)),
  });
  const { origin } = model;
  await refuseSameFiles(model, output, files);
  const placeOf = origin?.store.realPath?.bind(origin.store);
  const outputPlaceOf = output.realPath?.bind(output);
  if (placeOf === undefined || outputPlaceOf === undefined) return;
  refuseClash({
    source: await placeOf(origin?.file),
    sourceFiles: await Promise.all(model.files.map(({ name }) => placeOf(name))),
    output: await outputPlaceOf(),
    outputFiles: await Promise.all(files.map((name) => outputPlaceOf(name))),
  });
}

/** The same by what the file system says, for disks on which several spellings are one name. */
async function refuseSameFiles(model: Model, output: OutputStore, files: readonly string[]): Promise<void> {
  const { store, file } = model.origin ?? {};
  const identityOf = store?.identity?.bind(store);
  const outputIdentityOf = output.identity?.bind(output);
  if (identityOf === undefined || outputIdentityOf === undefined) return;
  const source = await identityOf(file);
  const folder = await outputIdentityOf();
  if (source.own !== undefined && [folder.own, ...folder.above].includes(source.own))
    throw insideSource(output.name);
  const read = new Set<string | undefined>();
  for (const { name } of model.files) read.add((await identityOf(name)).own);
  for (const name of files) {
    const { own } = await outputIdentityOf(name);
    if (own !== undefined && read.has(own)) throw isSource(joinPath(output.name, name));
  }
}

function insideSource(output: string): UsageError {
  return new UsageError("The output lies inside the source.", {
    path: output,
    hint: "Choose a folder outside the source model.",
  });
}

function isSource(path: string): UsageError {
  return new UsageError("The output is a file of the source.", {
    path,
    hint: "Choose another name for the output.",
  });
}

interface Places {
  readonly source: string;
  readonly sourceFiles: readonly string[];
  readonly output: string;
  readonly outputFiles: readonly string[];
}

function refuseClash({ source, sourceFiles, output, outputFiles }: Places): void {
  const [inner, outer] = [withoutTrailingSlash(output), withoutTrailingSlash(source)];
  if (inner === outer || inner.startsWith(`${outer}/`) || inner.startsWith(`${outer}\\`)) {
    throw insideSource(output);
  }
  const written = new Set(outputFiles);
  const clash = sourceFiles.find((path) => written.has(path));
  if (clash !== undefined) throw isSource(clash);
}

/** Files that decide what a folder is read as: weights, their index, and how they are packed. */
const OF_A_MODEL =
  /\.(?:safetensors|gguf|safetensors\.index\.json)$|^(?:quantize|quantization|quant|hf_quant)_config\.json$/i;
const MOST_NAMED = 4;

/**
 * Refuses a folder that would hold files of two models: readers would take the wrong ones. Only for plans that make a folder.
 * @throws UsageError naming the files of the other model
 */
export async function refuseMixedModels(plan: Plan, output: OutputStore): Promise<void> {
  const own = new Set(plan.files.map(({ name }) => name));
  for (const name of own) {
    // of several targets, each has a folder
    const [folder, file] = splitPath(name);
    if (file === "config.json") await refuseMixedFolder(own, folder, output);
  }
}

async function refuseMixedFolder(
  own: ReadonlySet<string>,
  folder: string | undefined,
  output: OutputStore,
): Promise<void> {
  const within = folder === undefined ? "" : `${folder}/`;
  const names = await namesIn(output, folder);
  const others = names.filter((name) => OF_A_MODEL.test(name) && !own.has(within + name));
  if (others.length === 0) return;
  const named = others.slice(0, MOST_NAMED).join(", ");
  const more = others.length > MOST_NAMED ? ` and ${others.length - MOST_NAMED} more` : "";
  throw new UsageError(`The output folder holds files of another model: ${named}${more}.`, {
    path: folder === undefined ? output.name : joinPath(output.name, folder),
    hint: "Choose an empty folder, or remove these files first: readers could take them for the new model's.",
  });
}

function splitPath(name: string): readonly [folder: string | undefined, file: string] {
  const end = name.lastIndexOf("/");
  return end < 0 ? [undefined, name] : [name.slice(0, end), name.slice(end + 1)];
}

/** Names in the folder; none where it does not exist yet. Writing tells about a folder that cannot be used. */
async function namesIn(output: OutputStore, folder: string | undefined): Promise<readonly string[]> {
  try {
    return (await output.list(folder)) ?? [];
  } catch (error) {
    if (error instanceof IoError) return [];
    throw error;
  }
}

/** The names of output files that are there already. */
export async function existingFiles(output: OutputStore, files: Plan["files"]): Promise<string[]> {
  return Object.keys(await existingVersions(output, { files }));
}

/** The versions of output files that are there already, by name; null where the store knows none. */
export async function existingVersions(
  output: OutputStore,
  { files }: Pick<Plan, "files">,
): Promise<Record<string, string | null>> {
  const versions: Record<string, string | null> = {};
  for (const { name } of files) {
    const found = await output.open(name);
    if (found === undefined) continue;
    versions[name] = found.version ?? null;
    await found.close();
  }
  return versions;
}

/** Refuses outputs that are there already, before long work. @throws IoError */
export async function refuseTaken(output: OutputStore, { files }: Pick<Plan, "files">): Promise<void> {
  const [name] = await existingFiles(output, files);
  if (name !== undefined) throw outputExists(output, name);
}

/** @param hint the way out, where these two are none */
export function outputExists(
  output: OutputStore,
  name: string,
  found?: string,
  hint = "Choose another name, or give `overwrite` to replace it.",
): IoError {
  return new IoError(`The output exists already${found === undefined ? "" : `, and ${found}`}.`, {
    path: joinPath(output.name, name),
    hint,
  });
}

/** The reason of errors that say what is in a file; other errors may only say that it could not be read. */
export const NOT_AS_WRITTEN = "not-as-written";

export function lost(path: string, tensor?: string): IoError {
  return new IoError("What was read back is not what was written.", {
    path,
    tensor,
    reason: NOT_AS_WRITTEN,
    hint: "The disk or the network file system lost data: write to another one.",
  });
}
