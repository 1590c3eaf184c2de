/** Unfinished files and their logs in a folder of their own, beside the output: a rename publishes them. */
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { IoError } from "../../errors.ts";
import type { SharedFile, SharedFileName, SharedLog, SharedWork } from "../sharing.ts";
import { checkStorePath } from "../store-path.ts";
import { asIoError, isMissing } from "../system-error.ts";
import { unlinkFile } from "./busy-files.ts";
import { NO_FOLLOW, place, refuseSpecialFile, syncFolder } from "./placing.ts";
import { randomHex, shortHash } from "./random-and-hash.ts";
import { openStagedFile } from "./staged-file.ts";

const LOG_SUFFIX = ".log";
const TAKEN_HINT = "Move that file away, or save the plan again with `overwrite`.";

/** @param work the folder of the unfinished files. @param output the folder of the finished ones, on the same file system */
export function sharedWork(work: string, output: string, overwrite: boolean): SharedWork {
  const logs = join(work, "logs");
  const mark = join(work, "publishing");
  const temporaryOf = (name: string): string => join(work, `${shortHash(name, 32)}.part`);
  const finalOf = (name: string): string => {
    checkStorePath(name, output);
    return join(output, name);
  };
  const guarded = async <T>(path: string, action: string, act: () => Promise<T>): Promise<T> => {
    try {
      return await act();
    } catch (cause) {
      throw asIoError(cause, path, action);
    }
  };

  return {
    name: work,
    isPublishing: () => guarded(mark, "find", () => exists(mark)),
    open: (file) =>
      guarded(finalOf(file.name), "create", async () => {
        const [temporary, final] = [temporaryOf(file.name), finalOf(file.name)];
        const isPublished = !(await exists(temporary)) && (await exists(mark));
        return isPublished ? openShared(final, file, "read") : openShared(temporary, file, "write", final);
      }),
    startLog: (group) =>
      guarded(logs, "create", async () => {
        checkStorePath(group, logs);
        const path = `${join(logs, group)}.${randomHex(8)}${LOG_SUFFIX}`;
        if (!(await exists(work))) throw removedMeanwhile(work);
        await mkdir(dirname(path), { recursive: true });
        return openLog(path);
      }),
    readLogs: (group) =>
      guarded(logs, "read", async () => {
        checkStorePath(group, logs);
        const folder = dirname(join(logs, group));
        const start = `${basename(group)}.`;
        const names = (await namesIn(folder)).filter((name) => name.startsWith(start));
        return Promise.all(names.map((name) => readFile(join(folder, name))));
      }),
    allLogs: () => logsBelow(logs),
    publish: async (files) => {
      await guarded(mark, "create", async () => {
        await (await open(mark, "a")).close();
        await syncFolder(work);
      });
      for (const { name, byteLength } of files) {
        const [temporary, final] = [temporaryOf(name), finalOf(name)];
        await guarded(final, "finish", async () => {
          // another process, or an earlier attempt, has given the file its name
          if (!(await exists(temporary)) && (await lengthOf(final)) === byteLength) return;
          // a hard link was made, and the second name not yet removed
          if (await isSameFile(temporary, final)) await unlinkFile(temporary);
          else await place(temporary, final, overwrite, TAKEN_HINT);
          await syncFolder(dirname(final));
        });
      }
    },
    remove: () => guarded(work, "remove", () => rm(work, { recursive: true, force: true, maxRetries: 5 })),
  };
}

/** @param final the name that errors tell */
async function openShared(
  path: string,
  { byteLength }: SharedFileName,
  use: "read" | "write",
  final: string = path,
): Promise<SharedFile> {
  const flags = use === "read" ? constants.O_RDONLY : constants.O_RDWR | constants.O_CREAT;
  await mkdir(dirname(final), { recursive: true });
  const handle = await open(path, flags | NO_FOLLOW);
  await refuseSpecialFile(handle, path);
  try {
    await setLength(handle, byteLength, use, final);
    const bytes = await openStagedFile({ kind: "file", path }, final, use);
    return {
      name: final,
      address: { kind: "file", path },
      write: bytes.write,
      readInto: bytes.readInto,
      sync: async () => {
        await handle.datasync().catch((cause: unknown) => {
          throw asIoError(cause, final, "write");
        });
        // what is written into a file that was removed is lost, and the system does not tell it
        if (!(await isOpenAt(handle, path)) && !(await isOpenAt(handle, final))) {
          throw removedMeanwhile(dirname(path));
        }
      },
      async close() {
        await handle.close();
        await bytes.close();
      },
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Only a file that is shorter is changed: another process may be writing it. */
async function setLength(
  handle: FileHandle,
  byteLength: number,
  use: "read" | "write",
  path: string,
): Promise<void> {
  const { size } = await handle.stat();
  if (size === byteLength) return;
  if (size > byteLength || use === "read") {
    throw new IoError(`The file has ${size} bytes; the plan makes ${byteLength}.`, {
      path,
      hint: "Remove the working folder beside the output, and run the parts again.",
    });
  }
  await handle.truncate(byteLength);
}

async function openLog(path: string): Promise<SharedLog> {
  const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW);
  let byteLength = 0;
  return {
    async append(bytes) {
      try {
        for (let done = 0; done < bytes.byteLength; ) {
          const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done, byteLength);
          if (bytesWritten === 0) throw new IoError("The system wrote nothing and gave no reason.", { path });
          done += bytesWritten;
          byteLength += bytesWritten;
        }
        await handle.datasync();
      } catch (cause) {
        throw asIoError(cause, path, "write");
      }
    },
    close: () => handle.close(),
  };
}

/** @param group of the folder, with "/" at the end; empty for that of all groups */
async function* logsBelow(
  folder: string,
  group = "",
): AsyncGenerator<{ readonly group: string; readonly bytes: Uint8Array }> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    if (isMissing(cause)) return [];
    throw asIoError(cause, folder, "list");
  });
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* logsBelow(path, `${group}${entry.name}/`);
    else if (entry.isFile() && entry.name.endsWith(LOG_SUFFIX)) {
      const [name = ""] = entry.name.split(".", 1);
      const bytes = await readFile(path).catch((cause: unknown) => {
        throw asIoError(cause, path, "read");
      });
      yield { group: group + name, bytes };
    }
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
}

async function exists(path: string): Promise<boolean> {
  return (await lengthOf(path)) !== undefined;
}

async function lengthOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function isOpenAt(handle: FileHandle, path: string): Promise<boolean> {
  if (!(await exists(path))) return false;
  const [own, there] = await Promise.all([handle.stat({ bigint: true }), stat(path, { bigint: true })]);
  return own.ino === there.ino && own.dev === there.dev;
}

function removedMeanwhile(work: string): IoError {
  return new IoError("The working folder of the plan was removed while this part ran.", {
    path: work,
    hint: "The plan was aborted or finished meanwhile. To make the output after an abort, run all parts again.",
    reason: "plan-removed",
  });
}

async function isSameFile(a: string, b: string): Promise<boolean> {
  if (!(await exists(b))) return false;
  const [one, other] = await Promise.all([stat(a, { bigint: true }), stat(b, { bigint: true })]);
  return one.ino === other.ino && one.dev === other.dev;
}
