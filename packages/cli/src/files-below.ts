import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { asIoError } from "@requant/core/node";

/** Whether there is a file or folder, behind links too. */
export async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** All files below a folder, behind links too, with their paths and sizes. */
export async function filesBelow(folder: string): Promise<{ path: string; byteLength: number }[]> {
  const files: { path: string; byteLength: number }[] = [];
  const entries = await readdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw asIoError(cause, folder, "list");
  });
  for (const entry of entries) {
    const info = await stat(join(folder, entry)).catch(() => undefined);
    if (info?.isFile() === true) files.push({ path: entry.replaceAll("\\", "/"), byteLength: info.size });
  }
  return files;
}
