import { IoError, type ReadStore, UsageError, type WriteStore } from "@requant/core";
import type { Model } from "./model.ts";
import type { Plan } from "./plan.ts";

/** A folder that is written to and read back from. */
export interface OutputStore extends ReadStore, WriteStore {
  /** Takes a finished file away again, where the store can: after a failed check of what was written. */
  remove?(path: string): Promise<void>;
}

function withoutTrailingSlash(path: string): string {
  return path.replace(/[/\\]+$/, "");
}

function joinPath(folder: string, file: string): string {
  return `${withoutTrailingSlash(folder)}/${file}`;
}

/**
 * Refuses an output that is a file of the source, or that lies in the source's folder when that folder is the model.
 * Paths are compared as the stores name them: give both resolved.
 * @throws UsageError
 */
export function refuseOverlap(model: Model, output: OutputStore, files: readonly string[]): void {
  const folder = withoutTrailingSlash(output.name);
  const source = withoutTrailingSlash(model.name);
  if (folder === source || folder.startsWith(`${source}/`)) {
    throw new UsageError("the output lies inside the source", {
      path: output.name,
      hint: "Choose a folder outside the source model.",
    });
  }
  const written = new Set(files.map((file) => joinPath(folder, file)));
  const clash = model.files.find(({ name }) => written.has(joinPath(model.folder, name)));
  if (clash !== undefined) {
    throw new UsageError("the output is a file of the source", {
      path: joinPath(model.folder, clash.name),
      hint: "Choose another name for the output.",
    });
  }
}

/** @throws IoError naming the first output file that is there already. */
export async function refuseExisting(output: OutputStore, files: Plan["files"]): Promise<void> {
  for (const { name } of files) {
    const found = await output.open(name);
    if (found === undefined) continue;
    await found.close();
    throw new IoError("the output exists already", {
      path: joinPath(output.name, name),
      hint: "Choose another name, or allow overwriting.",
    });
  }
}
