/** How a finished file gets its name, and the names that unfinished ones have. */
import { constants } from "node:fs";
import { link, open, rename, stat, unlink } from "node:fs/promises";
import { IoError } from "../errors.ts";
import { isMissing, systemCode } from "../io/system-error.ts";

/** Ends temporary names, so that left-overs of a killed process are easy to see and are not listed as model files. */
export const temporarySuffix = ".requant-part";
export const journalSuffix = ".requant-journal";
export const lockSuffix = ".requant-lock";

export function isTemporaryName(name: string): boolean {
  return /^\..*\.requant-(part|journal|lock)(\.[0-9a-f]+)?$/s.test(name);
}

/** Gives a finished file its name, for good. */
export async function place(from: string, to: string, overwrite: boolean): Promise<void> {
  if (overwrite) await rename(from, to);
  else await renameWithoutReplacing(from, to);
}

/** `rename` replaces without asking. A hard link fails when the name is taken, in one step; not every file system has it. */
async function renameWithoutReplacing(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (systemCode(error) === "EEXIST") throw alreadyExists(to, error);
    await refuseIfExists(to);
    await rename(from, to);
    return;
  }
  // the file has its name; a second, temporary one that cannot be removed does no harm
  await unlink(from).catch(() => {});
}

export async function refuseIfExists(path: string): Promise<void> {
  try {
    await stat(path);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  throw alreadyExists(path);
}

function alreadyExists(path: string, cause?: unknown): IoError {
  return new IoError("The file already exists.", {
    path,
    cause,
    hint: "Choose another name, or allow overwriting.",
  });
}

/** A rename is only durable once its folder is. Windows has no such call, and some network folders refuse it. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY).catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
