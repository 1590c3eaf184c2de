import { constants, writeSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { IoError, UsageError } from "../../errors.ts";
import type { StagedAddress, StagedBytes, StagedFile, StageOptions } from "../staging.ts";
import { asIoError, isMissing } from "../system-error.ts";
import { LONGEST_JOURNAL, workingNames } from "../working-names.ts";
import { renameFile, unlinkFile } from "./busy-files.ts";
import { acquireLock } from "./lock.ts";
import {
  keepPermissions,
  NO_FOLLOW,
  place,
  refuseIfSpecial,
  refuseSecondName,
  refuseSpecialFile,
  syncFolder,
} from "./placing.ts";
import { shortHash } from "./random-and-hash.ts";
import { type Transfers, transfersOf } from "./transfers.ts";

/** The names of the working files for `path`; the next process finds them from the path alone. */
function stagingPaths(path: string): { temporary: string; journal: string; lock: string } {
  const name = basename(path);
  const { temporary, journal, lock } = workingNames(name, shortHash(name, 16));
  const at = (own: string): string => join(dirname(path), own);
  return { temporary: at(temporary), journal: at(journal), lock: at(lock) };
}

/**
 * A file under a temporary name that is the same each time, with a journal and a lock beside it.
 * @throws IoError when another process is writing the same file
 */
export async function stageFile(
  path: string,
  options: StageOptions & { readonly overwrite?: boolean | undefined },
): Promise<StagedFile> {
  const { byteLength, resume = false, overwrite = false } = options;
  const paths = stagingPaths(path);
  const guarded = async <T>(action: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      throw asIoError(cause, path, action);
    }
  };
  if (overwrite) await guarded("create", () => refuseIfSpecial(path));
  const lock = await guarded("lock", () => acquireLock(paths.lock, path));
  const opened = await guarded("create", async () => {
    if (!resume) {
      // removed, not truncated: after a crash while publishing, this may be a second name of the finished file
      await removeIfThere(paths.temporary);
      await removeIfThere(paths.journal);
    }
    const journal = await openWorkingFile(paths.journal);
    let file: FileHandle | undefined;
    let isNew = false;
    try {
      const kept = await keptJournal(journal);
      isNew = kept.byteLength === 0;
      const published = kept.byteLength > 0 && (await hasItsName(paths.temporary, path));
      file = published ? await open(path, constants.O_RDONLY) : await openWorkingFile(paths.temporary);
      if (!published) {
        if (overwrite) await keepPermissions(file, path);
        // holes read as zeros, which is what lies between tensors
        await file.truncate(byteLength);
      }
      return { journal, kept, published, file };
    } catch (error) {
      await file?.close();
      await journal.close();
      // nothing is in them yet: a full disk or a size limit must not leave files that only look like a part
      if (isNew) {
        if (file !== undefined) await removeIfThere(paths.temporary);
        await removeIfThere(paths.journal);
      }
      throw error;
    }
  }).catch(async (error: unknown) => {
    await lock.release();
    throw error;
  });
  const { journal, kept } = opened;
  let file: FileHandle | undefined = opened.file;
  let published = opened.published;
  let publishedHere = false;
  let journalByteLength = kept.byteLength;
  let folderSynced = false;
  let ended = false;

  const transfers = transfersOf(opened.file);
  const openFile = (): FileHandle => {
    if (file === undefined) throw new UsageError("The file is not open any more.", { path });
    return file;
  };
  const openTransfers = (): Transfers => {
    openFile();
    return transfers;
  };
  async function sync(): Promise<void> {
    if (!published) await openFile().datasync();
    await journal.datasync();
    if (folderSynced) return;
    folderSynced = true;
    await syncFolder(dirname(path));
  }
  /** Closes everything; true the first time. */
  async function end(): Promise<boolean> {
    if (ended) return false;
    ended = true;
    await file?.close().catch(() => {});
    file = undefined;
    await journal.close().catch(() => {});
    return true;
  }

  return {
    name: path,
    byteLength,
    address: { kind: "file", path: published ? path : paths.temporary },
    journal: kept,
    get published() {
      return published;
    },
    write: (bytes, start) => guarded("write", () => writeAll(openTransfers(), path, bytes, start)),
    readInto: (target, start) => guarded("read", () => readAll(openTransfers(), path, target, start)),
    cutJournal: (length) =>
      guarded("write", async () => {
        await journal.truncate(length);
        journalByteLength = length;
      }),
    log: (bytes) =>
      guarded("write", async () => {
        const start = journalByteLength;
        journalByteLength += bytes.byteLength;
        // synchronous: a short line goes to the system's cache faster than another thread could take over
        for (let done = 0; done < bytes.byteLength; ) {
          const written = writeSync(journal.fd, bytes, done, bytes.byteLength - done, start + done);
          if (written === 0) throw wroteNothing(path);
          done += written;
        }
      }),
    sync: () => guarded("write", sync),
    publish: () =>
      guarded("finish", async () => {
        if (published) return;
        await openFile().sync();
        await journal.datasync();
        await file?.close();
        file = undefined;
        if (!(await lock.stillHeld())) {
          throw new IoError("Another process has taken over this file.", {
            path,
            hint: "Let only one process write it.",
          });
        }
        await place(paths.temporary, path, overwrite);
        published = true;
        publishedHere = true;
        await syncFolder(dirname(path));
      }),
    async finish() {
      if (!(await end())) return;
      await unlinkFile(paths.journal).catch(() => {});
      await lock.release();
    },
    async keep() {
      if (!(await end())) return;
      if (publishedHere) await renameFile(path, paths.temporary).catch(() => {});
      await lock.release();
    },
    async discard() {
      if (!(await end())) return;
      if (publishedHere) await unlinkFile(path).catch(() => {});
      await unlinkFile(paths.temporary).catch(() => {});
      await unlinkFile(paths.journal).catch(() => {});
      await lock.release();
    },
  };
}

/** Opens a regular file, and makes it where there is none. */
async function openWorkingFile(path: string): Promise<FileHandle> {
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT | NO_FOLLOW);
  await refuseSpecialFile(handle, path);
  await refuseSecondName(handle, path);
  return handle;
}

async function keptJournal(handle: FileHandle): Promise<Uint8Array> {
  const { size } = await handle.stat();
  return size <= LONGEST_JOURNAL ? handle.readFile() : new Uint8Array(0);
}

/** Whether the file has its final name: the temporary one is gone, or is the second name that a hard link leaves. */
async function hasItsName(temporary: string, path: string): Promise<boolean> {
  const [unfinished, finished] = await Promise.all([statIfThere(temporary), statIfThere(path)]);
  if (finished === undefined) return false;
  if (unfinished === undefined) return true;
  if (unfinished.ino !== finished.ino || unfinished.dev !== finished.dev) return false;
  await unlinkFile(temporary);
  return true;
}

/** Keeps other processes from writing `path`. @throws IoError when another process is writing it */
export async function lockFile(path: string): Promise<{
  /** Lets other processes write the path again. */
  release(): Promise<void>;
}> {
  return acquireLock(stagingPaths(path).lock, path).catch((cause: unknown) => {
    throw asIoError(cause, path, "lock");
  });
}

function statIfThere(path: string): Promise<{ ino: bigint; dev: bigint } | undefined> {
  return stat(path, { bigint: true }).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
}

async function removeIfThere(path: string): Promise<void> {
  await unlinkFile(path).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}

/** Opens the bytes of a staged file from its address: for a worker, beside the main thread's handle. */
export async function openStagedFile(
  address: StagedAddress,
  name: string,
  use: "read" | "write" = "write",
): Promise<
  StagedBytes & {
    /** Closes this handle; the file stays as it is. */
    close(): Promise<void>;
  }
> {
  const { path } = address;
  const flags = use === "read" ? constants.O_RDONLY : constants.O_RDWR;
  const handle = await open(path, flags | NO_FOLLOW).catch((cause: unknown) => {
    throw asIoError(cause, name, "open");
  });
  const transfers = transfersOf(handle);
  const guarded = (action: string, work: Promise<void>): Promise<void> =>
    work.catch((cause: unknown) => {
      throw asIoError(cause, name, action);
    });
  return {
    name,
    write: (bytes, start) => guarded("write", writeAll(transfers, name, bytes, start)),
    readInto: (target, start) => guarded("read", readAll(transfers, name, target, start)),
    close: () => handle.close(),
  };
}

async function writeAll(transfers: Transfers, path: string, bytes: Uint8Array, start: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const bytesWritten = await transfers.write(bytes, done, bytes.byteLength - done, start + done);
    if (bytesWritten === 0) throw wroteNothing(path);
    done += bytesWritten;
  }
}

async function readAll(transfers: Transfers, path: string, target: Uint8Array, start: number): Promise<void> {
  for (let done = 0; done < target.byteLength; ) {
    const bytesRead = await transfers.read(target, done, target.byteLength - done, start + done);
    if (bytesRead === 0) {
      throw new IoError(`The file ends at byte ${start + done}.`, { path, offset: start + done });
    }
    done += bytesRead;
  }
}

function wroteNothing(path: string): IoError {
  return new IoError("The system wrote nothing and gave no reason.", { path });
}
