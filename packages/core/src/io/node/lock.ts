import { constants } from "node:fs";
import { link, lstat, open, readdir, utimes } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { IoError } from "../../errors.ts";
import { isMissing, systemCode } from "../system-error.ts";
import { renameFile, unlinkFile } from "./busy-files.ts";
import { hasEnded, type Owner, thisProcess } from "./owner.ts";
import { NO_FOLLOW, refuseSpecialFile } from "./placing.ts";
import { randomHex } from "./random-and-hash.ts";

/**
 * Tells other processes that this process is writing a file. Node has no lock that the system releases when a process
 * ends, so the lock is a file that names its owner; a lock whose owner has ended is taken over. Whether an owner on
 * another machine has ended cannot be checked, so owners touch their lock regularly, and a lock that was not touched for
 * long is taken over as well.
 */
export interface FileLock {
  /** False when another process has taken the lock over: nothing may be published then. */
  stillHeld(): Promise<boolean>;
  release(): Promise<void>;
}

const touchInterval = 15_000;
const silence = 8 * touchInterval;
/** A lock without a readable owner is still being written, unless it is older than this. */
const writingTime = 5_000;

const NO_WAIT = process.platform === "win32" ? 0 : constants.O_NONBLOCK;

/** @throws IoError when a running process holds the lock */
export async function acquireLock(path: string, subject: string): Promise<FileLock> {
  const text = `${JSON.stringify({ ...(await thisProcess()), id: randomHex(8) })}\n`;
  for (;;) {
    if (await create(path, text)) break;
    await takeAway(path, subject);
  }
  await removeLeftovers(path);
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
      if (await stillHeld()) await unlinkFile(path).catch(() => {});
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
      // the disk is full: an empty lock would block other processes for no reason
      await unlinkFile(path).catch(() => {});
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
    // a dangling link would look like a missing file but block the name for ever; opening a pipe would wait for its
    // writer
    const handle = await open(path, constants.O_RDONLY | NO_FOLLOW | NO_WAIT);
    await refuseSpecialFile(handle, path);
    return await handle.readFile("utf8").finally(() => handle.close());
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Removes the lock of an owner that has ended; waits while a lock is being written. @throws IoError when the owner is
 * running
 */
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
  // by renaming: of several processes that do this at once, only one gets the file
  const mine = `${path}.${randomHex(8)}`;
  try {
    await renameFile(path, mine);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  // another process was faster, and this is its lock: put it back
  if ((await textOf(mine)) !== text) await link(mine, path).catch(() => {});
  await unlinkFile(mine).catch(() => {});
}

/**
 * Removes what a process that was killed inside `takeAway` left: locks under names of its own, whose owners have ended. One
 * without an owner that is known to have ended may be the lock of a running process that `takeAway` is about to put back,
 * unless it is old.
 */
async function removeLeftovers(path: string): Promise<void> {
  const [folder, start] = [dirname(path), `${basename(path)}.`];
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    if (!name.startsWith(start) || !/^[0-9a-f]{16}$/.test(name.slice(start.length))) continue;
    const left = join(folder, name);
    const owner = ownerOf((await textOf(left).catch(() => undefined)) ?? "");
    const isOver = owner !== undefined && (await hasEnded(owner)) === true;
    if (isOver || (await ageOf(left).catch(() => 0)) > silence) await unlinkFile(left).catch(() => {});
  }
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
