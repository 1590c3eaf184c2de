/** How a finished file gets its name. */
import { constants } from "node:fs";
import { type FileHandle, link, open, stat } from "node:fs/promises";
import { IoError } from "../../errors.ts";
import { alreadyExists } from "../already-exists.ts";
import { isMissing, systemCode } from "../system-error.ts";
import { renameFile, unlinkFile } from "./busy-files.ts";

/**
 * Working files have predictable names: in a folder that other users can write to, a link under such a name could
 * redirect the writing.
 */
export const NO_FOLLOW: number = process.platform === "win32" ? 0 : constants.O_NOFOLLOW;

/** @throws IoError for a file that would block a reader or writer, such as a pipe */
export async function refuseSpecialFile(handle: FileHandle, path: string): Promise<void> {
  if ((await handle.stat()).isFile()) return;
  await handle.close();
  throw new IoError("Something that is not a regular file has the name of a working file.", {
    path,
    hint: "Remove it, or write to a folder of your own.",
  });
}

/** A working file that is also another file under another name would carry the writing there. @throws IoError */
export async function refuseSecondName(handle: FileHandle, path: string): Promise<void> {
  const { nlink } = await handle.stat();
  if (nlink <= 1) return;
  await handle.close();
  throw new IoError(
    `The working file has ${nlink} names (hard links), so writing to it would change another file.`,
    { path, hint: "Remove it, or start again without `resume`." },
  );
}

/** A file that takes another's place has its permissions and, where the system allows it, its owner, from before anything is in it. */
export async function keepPermissions(handle: FileHandle, replaced: string): Promise<void> {
  const before = await stat(replaced).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (!before?.isFile()) return;
  const { uid, gid } = await handle.stat();
  // only root may give a file away
  if (uid !== before.uid || gid !== before.gid) await handle.chown(before.uid, before.gid).catch(() => {});
  // a file system that has none cannot be told any
  await handle.chmod(before.mode & 0o777).catch(() => {});
}

/** Gives a finished file its final name, durably. @param hint what to do where the name is taken */
export async function place(from: string, to: string, overwrite: boolean, hint?: string): Promise<void> {
  if (!overwrite) return renameWithoutReplacing(from, to, hint);
  await refuseIfSpecial(to);
  await renameFile(from, to);
}

/** `rename` replaces without asking. A hard link fails when the name is taken, in one step; not every file system has it. */
async function renameWithoutReplacing(from: string, to: string, hint?: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (systemCode(error) === "EEXIST") throw alreadyExists(to, error, hint);
    await refuseIfExists(to, hint);
    await renameFile(from, to);
    return;
  }
  // the file has its name; a second, temporary one that cannot be removed does no harm
  await unlinkFile(from).catch(() => {});
}

/** A device, a pipe or a socket is not replaced by a file. @throws IoError */
export async function refuseIfSpecial(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (found === undefined || found.isFile() || found.isDirectory()) return;
  throw new IoError("The file that would be replaced is a device, a pipe or a socket.", {
    path,
    hint: "Give the path of a regular file.",
  });
}

export async function refuseIfExists(path: string, hint?: string): Promise<void> {
  try {
    await stat(path);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  throw alreadyExists(path, undefined, hint);
}

/** A rename is only durable once its folder is. Windows has no such call, and some network folders refuse it. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY).catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

/** @throws IoError for a name that this system would not write as it is */
export async function refuseName(name: string, path: string): Promise<void> {
  if (process.platform === "win32") (await import("./windows-names.ts")).refuseWindowsName(name, path);
}
