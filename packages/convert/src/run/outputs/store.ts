import { IoError, type ReadStore, UsageError, type WriteStore } from "@requant/core";
import { withoutTrailing } from "@requant/core/text";
import { hfSideFiles } from "@requant/models";
import type { Model, ModelFile, ModelLocation } from "../../model/model.ts";
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
  refuseInside(model.name, output.name);
  const { store, file } = model.origin ?? {};
  const source = await store?.identity?.(file);
  const folder = await output.identity?.();
  if (
    source?.own !== undefined &&
    folder !== undefined &&
    [folder.own, ...folder.above].includes(source.own)
  ) {
    throw insideSource(output.name);
  }
  const sourcePlace = await store?.realPath?.(file);
  const outputPlace = await output.realPath?.();
  if (sourcePlace !== undefined && outputPlace !== undefined) refuseInside(sourcePlace, outputPlace);
  await refuseSourceFiles(model, output, files);
}

/** The files that a command reads, as far as it must not replace them. */
export interface SourceFiles {
  /** The folder of `files`, as its store names it. */
  readonly folder: string;
  readonly files: readonly Pick<ModelFile, "name">[];
  readonly origin?: ModelLocation | undefined;
  /** Set where files such as config.json are read, too. */
  readonly hf?: unknown;
  readonly merged?: { readonly adapter: SourceFiles } | undefined;
}

/** The same for a place whose model may not open: all files there that models are made of. */
export async function sourceFilesAt(origin: ModelLocation): Promise<SourceFiles> {
  const { store, file } = origin;
  // a server's files are not replaced by one of this machine, and are not asked for
  const isHere = store.realPath !== undefined || store.identity !== undefined;
  const names = (isHere ? ((await store.list()) ?? []) : []).filter(
    (name) => OF_A_MODEL.test(name) || WEIGHTS.test(name),
  );
  const all = file === undefined ? names : [file, ...names];
  return { folder: store.name, files: all.map((name) => ({ name })), origin, hf: {} };
}

/**
 * Refuses files that would replace one that is read: by name, by real path, and by what the file system says, for hard links and
 * for disks on which several spellings are one name.
 * @throws UsageError
 */
export async function refuseSourceFiles(
  source: SourceFiles,
  output: Pick<ReadStore, "name" | "realPath" | "identity">,
  files: readonly string[],
): Promise<void> {
  if (source.merged !== undefined) await refuseSourceFiles(source.merged.adapter, output, files);
  const { store } = source.origin ?? {};
  const names = [...source.files.map(({ name }) => name), ...(source.hf === undefined ? [] : hfSideFiles)];
  const read = new Set(names.map((name) => joinPath(source.folder, name)));
  for (const name of names) {
    const place = await store?.realPath?.(name);
    const identity = await store?.identity?.(name);
    if (place !== undefined) read.add(place);
    if (identity?.own !== undefined) read.add(identity.own);
  }
  for (const name of files) {
    const path = joinPath(output.name, name);
    const own = [path, await output.realPath?.(name), (await output.identity?.(name))?.own];
    if (own.some((each) => each !== undefined && read.has(each))) throw isSource(path);
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

function refuseInside(source: string, output: string): void {
  const [inner, outer] = [withoutTrailingSlash(output), withoutTrailingSlash(source)];
  if (inner !== outer && !inner.startsWith(`${outer}/`) && !inner.startsWith(`${outer}\\`)) return;
  throw insideSource(output);
}

/** Weights of older forms. */
const WEIGHTS = /\.(?:bin|pth?|npz)$/i;

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
