/** Files that a conversion makes for itself, and removes when it is done. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { OutputPlace } from "./output.ts";

export interface WorkingFile {
  readonly folder: string;
  readonly file: string;
  /** In a folder of its own, which nobody finds again. */
  readonly temporary: boolean;
}

/** Beside the output; for standard output in a folder for temporary files. */
export async function workingFile(
  { directory, name }: Pick<OutputPlace, "directory" | "name">,
  what: string,
): Promise<WorkingFile> {
  if (directory === undefined) {
    const folder = await mkdtemp(join(tmpdir(), "requant-"));
    return { folder, file: `${what}.safetensors`, temporary: true };
  }
  const path = name === undefined ? directory : join(directory, name);
  return { folder: dirname(path), file: `.${basename(path)}.${what}.safetensors`, temporary: false };
}

export async function removeFile({ folder, file, temporary }: WorkingFile): Promise<void> {
  await rm(temporary ? folder : join(folder, file), { recursive: temporary, force: true });
}
