/** Checks that the run, its workers and a resumed run all read the same version of the source files. */
import { IoError } from "@requant/core";
import type { Model } from "./model.ts";

/** Versions of a model's files by name; null where their source cannot tell. */
export type SourceVersions = Readonly<Record<string, string | null>>;

/** Asks every file of a model, and of the adapter that is merged into it, for its version: length and time of a local file, ETag of a server's. */
export async function sourceVersions(model: Model): Promise<SourceVersions> {
  const versions: Record<string, string | null> = {};
  if (model.merged !== undefined) {
    for (const [name, version] of Object.entries(await sourceVersions(model.merged.adapter)))
      versions[`adapter: ${name}`] = version;
  }
  for (const { name } of model.files) {
    const source = await model.openFile(name);
    versions[name] = source.version ?? null;
    await source.close();
  }
  return versions;
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
