/** Which file a path leads to, whatever it is spelled like: case, Unicode form and links aside. */
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { FileIdentity } from "../store.ts";
import { asIoError, isMissing } from "../system-error.ts";

export async function fileIdentity(path: string): Promise<FileIdentity> {
  const full = resolve(path);
  const above: string[] = [];
  let folder = full;
  while (dirname(folder) !== folder) {
    folder = dirname(folder);
    const found = await numbersOf(folder);
    if (found !== undefined) above.push(found);
  }
  return { own: await numbersOf(full), above };
}

/** Undefined where there is nothing, and where the file system numbers nothing. */
async function numbersOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true });
    return ino === 0n ? undefined : `${dev}:${ino}`;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** The real path of a file that may not exist yet: the real path of its nearest existing folder, and the rest as given. */
export async function realPathOf(path: string): Promise<string> {
  const full = resolve(path);
  try {
    return await realpath(full);
  } catch (cause) {
    if (!isMissing(cause) || dirname(full) === full) throw asIoError(cause, path, "find");
    return join(await realPathOf(dirname(full)), basename(full));
  }
}

/**
 * The name of a file in a folder that differs from `name` in its Unicode form alone: an "é" is one character, or two in
 * names that macOS wrote. Undefined where there is none.
 */
export async function otherSpelling(folder: string, name: string): Promise<string | undefined> {
  const wanted = basename(name).normalize("NFC");
  const names = await readdir(dirname(join(folder, name))).catch(() => []);
  const found = names.find((each) => each.normalize("NFC") === wanted);
  return found === undefined ? undefined : name.slice(0, name.length - basename(name).length) + found;
}
