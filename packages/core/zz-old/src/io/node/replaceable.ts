/** A file that is to be replaced by a changed one: whose name that is, and what would be lost on the way. */
import { constants } from "node:fs";
import { access, realpath, stat } from "node:fs/promises";
import { IoError } from "../../errors.ts";
import { asIoError } from "../system-error.ts";

/** What the caller accepts of a file that it replaces. */
export interface ReplaceOptions {
  /** Replace a file that has other names (hard links), which keep the old contents. Default false: refused. */
  readonly force?: boolean | undefined;
}

/**
 * The true path of a file that is to be replaced: behind symbolic links, which stay as they are.
 * @throws IoError for a file that is read-only, is not a regular one, or has other names that would keep the old contents
 */
export async function replaceablePath(path: string, options: ReplaceOptions = {}): Promise<string> {
  try {
    const target = await realpath(path);
    const { mode, nlink, isFile } = await statOf(target);
    if (!isFile) {
      throw new IoError("This is not a regular file.", { path, hint: "Give the path of a file." });
    }
    // a new file takes the old one's place, which needs a writable folder only; the owner's wish is the file's
    if ((mode & 0o222) === 0) {
      throw new IoError(`The file is read-only (mode ${(mode & 0o777).toString(8)}).`, {
        path: target,
        hint: "Make it writable first (chmod u+w), or change a copy.",
      });
    }
    await access(target, constants.W_OK);
    if (nlink > 1 && options.force !== true) {
      throw new IoError(
        `The file has ${nlink} names (hard links); the other ${nlink === 2 ? "one" : nlink - 1} would keep the old contents.`,
        {
          path: target,
          hint: "Change a copy, or give `force` to replace the file under this name only.",
        },
      );
    }
    return target;
  } catch (cause) {
    throw asIoError(cause, path, "change");
  }
}

async function statOf(path: string): Promise<{ mode: number; nlink: number; isFile: boolean }> {
  const found = await stat(path);
  return { mode: found.mode, nlink: found.nlink, isFile: found.isFile() };
}
