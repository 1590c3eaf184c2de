import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { systemCode } from "../system-error.ts";

/**
 * Makes a folder and those above it that are missing, one by one: Node's own way of making all of them never ends where the
 * system answers that a parent is missing which is there, as in /proc.
 * @returns the folders that were made now, the outermost first
 * @throws the system's error
 */
export async function makeFolders(path: string): Promise<string[]> {
  const folder = resolve(path);
  try {
    return (await makeOne(folder)) ? [folder] : [];
  } catch (error) {
    if (systemCode(error) !== "ENOENT" || dirname(folder) === folder) throw error;
  }
  const above = await makeFolders(dirname(folder));
  return (await makeOne(folder)) ? [...above, folder] : above;
}

/** False where the folder is there already. */
async function makeOne(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
    // a link that leads nowhere is refused as what it is
    const there = await stat(folder).catch((fault: unknown) => {
      throw systemCode(fault) === "ELOOP" ? fault : error;
    });
    if (!there.isDirectory()) throw error;
    return false;
  }
}
