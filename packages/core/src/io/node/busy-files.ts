/** Renaming and removing where another program may hold a file for a moment. */
import { rename, unlink } from "node:fs/promises";
import { systemCode } from "../system-error.ts";

/** What Windows answers while a virus scanner, a search index or a backup has the file open. */
const BUSY: readonly (string | undefined)[] = ["EPERM", "EACCES", "EBUSY"];

/** Milliseconds before each new attempt: three seconds in all. */
const WAITS: readonly number[] = [10, 20, 50, 100, 200, 400, 700, 1500];

/** What a retry needs of the system; tests give their own. */
export interface Retrying {
  readonly platform: NodeJS.Platform;
  wait(milliseconds: number): Promise<void>;
}

const here: Retrying = {
  platform: process.platform,
  wait: (milliseconds) => new Promise((done) => setTimeout(done, milliseconds)),
};

/** Tries again on Windows while the file is busy; on other systems these answers are final. @throws the system's last error */
export async function whileBusy<T>(act: () => Promise<T>, { platform, wait }: Retrying = here): Promise<T> {
  for (const pause of platform === "win32" ? WAITS : []) {
    try {
      return await act();
    } catch (error) {
      if (!BUSY.includes(systemCode(error))) throw error;
    }
    await wait(pause);
  }
  return act();
}

/** Gives a file another name, replacing what has it. @throws the system's error */
export function renameFile(from: string, to: string): Promise<void> {
  return whileBusy(() => rename(from, to));
}

/** Removes a file. @throws the system's error */
export function unlinkFile(path: string): Promise<void> {
  return whileBusy(() => unlink(path));
}
