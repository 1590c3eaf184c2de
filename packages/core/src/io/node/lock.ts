import { constants } from "node:fs";
import { link, lstat, open, rename, unlink, utimes } from "node:fs/promises";
import { IoError } from "../../errors.ts";
import { isMissing, systemCode } from "../system-error.ts";
import { hasEnded, type Owner, thisProcess } from "./owner.ts";
import { NO_FOLLOW, refuseSpecialFile } from "./placing.ts";
import { randomHex } from "./random-and-hash.ts";

/**
 * Says "this process works on that file" to other processes. Node has no lock that the system drops when a process dies, so
 * the lock is a file that names its owner: one whose owner has ended is taken over. Owners on other machines cannot be
 * asked; they touch their lock regularly, and one that has long not been touched is taken over as well.
 */
export interface FileLock {
  /** False when somebody has taken the lock away: nothing must be published then. */
  stillHeld(): Promise<boolean>;
  release(): Promise<void>;
}

const touchInterval = 15_000;
const silence = 8 * touchInterval;
/** A lock without a readable owner is one that is just being written, unless it is older than this. */
const writingTime = 5_000;

const NO_WAIT = process.platform === "win32" ? 0 : constants.O_NONBLOCK;

/** @throws IoError when a living process holds the lock */
export async function acquireLock(path: string, subject: string): Promise<FileLock> {
  const text = `${JSON.stringify({ ...(await thisProcess()), id: randomHex(8) })}\n`;
  for (;;) {
    if (await create(path, text)) break;
    await takeAway(path, subject);
  }
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, touchInterval);
  timer.unref();
  let held = true;
  const stillHeld = async (): Promise<boolean> => held && (await textOf(path)) === text;
  return {
    stillHeld,
    async release() {
      clearInterval(timer);
      if (await stillHeld()) await unlink(path).catch(() => {});
      held = false;
    },
  };
}

/** False when the name is taken. */
async function create(path: string, text: string): Promise<boolean> {
  try {
    const handle = await open(path, "wx");
    try {
      await handle.writeFile(text);
    } catch (error) {
      // a full disk: an empty lock would keep others out for no reason
      await unlink(path).catch(() => {});
      throw error;
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    // a link that leads nowhere would seem to be gone, and yet be in the way, for ever; a pipe would be waited for
    const handle = await open(path, constants.O_RDONLY | NO_FOLLOW | NO_WAIT);
    await refuseSpecialFile(handle, path);
    return await handle.readFile("utf8").finally(() => handle.close());
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Removes the lock of a dead owner; waits while one is being written. @throws IoError when its owner lives */
async function takeAway(path: string, subject: string): Promise<void> {
  const text = await textOf(path);
  if (text === undefined) return;
  const owner = ownerOf(text);
  const age = await ageOf(path);
  if (owner === undefined && age < writingTime) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return;
  }
  if (owner !== undefined && !((await hasEnded(owner)) ?? age > silence)) throw inUse(subject, path, owner);
  // by renaming, because of several that see the dead owner at once only one gets the file
  const mine = `${path}.${randomHex(8)}`;
  try {
    await rename(path, mine);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  // somebody was faster and this is their lock: give it back
  if ((await textOf(mine)) !== text) await link(mine, path).catch(() => {});
  await unlink(mine).catch(() => {});
}

function ownerOf(text: string): Owner | undefined {
  try {
    const { pid, host, started } = JSON.parse(text) as Partial<Record<keyof Owner, unknown>>;
    const fits = typeof pid === "number" && typeof host === "string" && typeof started === "string";
    return fits ? { pid, host, started } : undefined;
  } catch {
    return undefined;
  }
}

/** Milliseconds since a file was touched, by this machine's clock. */
async function ageOf(path: string): Promise<number> {
  try {
    return Date.now() - (await lstat(path)).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

function inUse(subject: string, lock: string, { pid, host }: Owner): IoError {
  return new IoError(`Another process is writing this file (process ${pid} on ${host.split("pid:")[0]}).`, {
    path: subject,
    hint: `Wait until it is done. If it is not running any more, remove ${lock}.`,
  });
}
