/** Checks that the run, its workers and a resumed run all read the same version of the source files. */
import { IoError } from "@requant/core";
import type { Model } from "./model.ts";

/** Versions of a model's files by name; null where their source cannot tell. */
export type SourceVersions = Readonly<Record<string, string | null>>;

/** What stands before the names of an adapter's files. */
const ADAPTER = "adapter: ";

/** Asks every file of a model, and of the adapter that is merged into it, for its version: length and time of a local file, ETag of a server's. */
export async function sourceVersions(model: Model): Promise<SourceVersions> {
  const versions: Record<string, string | null> = {};
  if (model.merged !== undefined) {
    for (const [name, version] of Object.entries(await sourceVersions(model.merged.adapter)))
      versions[ADAPTER + name] = version;
  }
  for (const { name } of model.files) {
    const source = await model.openFile(name);
    versions[name] = source.version ?? null;
    await source.close();
  }
  return versions;
}

/**
 * The same, and the versions of the side files that planning read, as far as `openModel` opened the model: config.json, the
 * tokenizer's files, and all others that a plan may copy.
 */
export async function plannedVersions(model: Model): Promise<SourceVersions> {
  const versions: Record<string, string | null> = { ...(await sourceVersions(model)) };
  for (const [prefix, part] of partsOf(model)) {
    for (const name of (await part.hf?.sideFileBytes())?.keys() ?? []) {
      const version = await sideFileVersion(part, name);
      if (version !== undefined) versions[prefix + name] = version;
    }
  }
  return versions;
}

/** The first file that is not what `plannedVersions` found; undefined where all are. */
export async function firstChanged(model: Model, planned: SourceVersions): Promise<string | undefined> {
  const found = await sourceVersions(model);
  const changed = Object.keys(found).find((name) => found[name] !== planned[name]);
  if (changed !== undefined) return changed;
  for (const name of Object.keys(planned)) {
    if (Object.hasOwn(found, name)) continue;
    const [prefix, part] = partsOf(model).find(([start]) => name.startsWith(start)) ?? ["", model];
    if ((await sideFileVersion(part, name.slice(prefix.length))) !== planned[name]) return name;
  }
  return undefined;
}

/** What a model is read from, by what stands before the names of its files. The one without a prefix comes last. */
function partsOf(model: Model): readonly (readonly [prefix: string, part: PartOfModel])[] {
  const { merged } = model;
  return [...(merged === undefined ? [] : [[ADAPTER, merged.adapter] as const]), ["", merged?.base ?? model]];
}

type PartOfModel = Pick<Model, "hf" | "origin">;

/** Undefined where there is no such file, or nothing is known of the model's folder. */
async function sideFileVersion({ origin }: PartOfModel, name: string): Promise<string | null | undefined> {
  const source = await origin?.store.open(name);
  await source?.close();
  return source === undefined ? undefined : (source.version ?? null);
}

/** @throws IoError when a file is not what the run found */
export async function refuseChangedSource(model: Model, versions: SourceVersions): Promise<void> {
  const found = await sourceVersions(model);
  const changed = Object.keys(versions).find((name) => found[name] !== versions[name]);
  if (changed === undefined) return;
  throw new IoError("The file changed while it was being read.", {
    path: `${model.folder}/${changed}`,
    hint: "Wait until whatever writes it (a download?) is done, then start again.",
  });
}

/** One byte of each file, read by the handles that the model was opened with: they notice when the file has changed. */
export async function touchSource(model: Model): Promise<void> {
  for (const file of model.files) {
    const tensor = model.storedTensors.find((info) => info.file === file.name && info.byteLength > 0);
    if (tensor !== undefined) await model.readInto(tensor.name, 0, new Uint8Array(1));
  }
}
