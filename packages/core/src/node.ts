/**
 * Files and directories for Node: `@requant/core/node`. The only library file that imports `node:*`.
 */
import { randomBytes } from "node:crypto";
import { type BigIntStats, constants } from "node:fs";
import {
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rmdir,
  stat,
  unlink,
} from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { FormatError, IoError, UsageError } from "./errors.ts";
import { checkRange } from "./io/range.ts";
import type { ByteSink } from "./io/sink.ts";
import type { ByteSource } from "./io/source.ts";
import type { ReadStore, WriteStore } from "./io/store.ts";
import { checkStorePath } from "./io/store-path.ts";
import { asIoError, isMissing, systemCode } from "./io/system-error.ts";

/**
 * A regular file. Reads are positional, so they may run at the same time.
 * @throws IoError when the file cannot be opened, or (from reads) when it changes while it is being read
 */
export async function fileSource(path: string): Promise<ByteSource> {
  let handle: FileHandle;
  let before: BigIntStats;
  try {
    // asked before opening: opening a pipe would wait for its other end
    refuseUnlessFile(await stat(path, { bigint: true }), path);
    handle = await open(path, constants.O_RDONLY);
  } catch (cause) {
    throw asIoError(cause, path, "open");
  }
  try {
    before = await handle.stat({ bigint: true });
    refuseUnlessFile(before, path);
  } catch (cause) {
    await handle.close();
    throw asIoError(cause, path, "open");
  }
  const byteLength = Number(before.size);

  /** A half-read model would mix two files' weights in silence: look again after each read. */
  async function refuseIfChanged(offset: number): Promise<void> {
    const now = await handle.stat({ bigint: true });
    if (now.size === before.size && now.mtimeNs === before.mtimeNs) return;
    const change =
      now.size === before.size ? "was written to" : `went from ${before.size} to ${now.size} bytes`;
    throw new IoError(`The file ${change} while it was being read.`, {
      path,
      offset,
      hint: "Wait until whatever writes it (a download?) is done, then start again.",
    });
  }

  async function readInto(target: Uint8Array, start: number): Promise<void> {
    checkRange(path, byteLength, start, start + target.byteLength);
    try {
      let done = 0;
      while (done < target.byteLength) {
        // one read call moves at most 2 GiB on some systems
        const length = Math.min(target.byteLength - done, 0x40000000);
        const { bytesRead } = await handle.read(target, done, length, start + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      await refuseIfChanged(start + done);
      if (done < target.byteLength) {
        throw new IoError(`The file ended at byte ${start + done} of ${byteLength}.`, {
          path,
          offset: start + done,
        });
      }
    } catch (cause) {
      throw asIoError(cause, path, "read");
    }
  }

  let closed = false;
  return {
    name: path,
    byteLength,
    async read(start, end) {
      checkRange(path, byteLength, start, end);
      const target = new Uint8Array(end - start);
      await readInto(target, start);
      return target;
    },
    readInto,
    async close() {
      if (closed) return;
      closed = true;
      await handle.close();
    },
  };
}

export interface FileSinkOptions {
  /** Replace an existing file. Default false: refused. */
  readonly overwrite?: boolean;
}

/** Ends temporary names, so that left-overs of a killed process are easy to see and are not listed as model files. */
const TEMPORARY_SUFFIX = ".requant-part";

/**
 * A new file, made under a temporary name in the same folder. `close` flushes it to the disk, gives it its name in
 * one step, and flushes the folder; `abort` removes it. At no time is a half-written file visible under `path`.
 */
export async function fileSink(path: string, options: FileSinkOptions = {}): Promise<ByteSink> {
  const { overwrite = false } = options;
  const folder = dirname(path);
  // unique even between processes; the cut keeps long names under the usual limit of 255 bytes
  const temporary = join(
    folder,
    `.${basename(path).slice(0, 48)}.${randomBytes(8).toString("hex")}${TEMPORARY_SUFFIX}`,
  );
  let handle: FileHandle;
  try {
    if (!overwrite) await refuseIfExists(path);
    handle = await open(temporary, "wx");
  } catch (cause) {
    throw asIoError(cause, path, "create");
  }

  let byteLength = 0;
  let state: "open" | "failed" | "closed" | "aborted" = "open";
  let handleOpen = true;
  let busy = false;
  const needOpen = (): void => {
    if (state !== "open") throw new UsageError(`The file is already ${state}.`, { path });
  };
  async function closeHandle(): Promise<void> {
    if (!handleOpen) return;
    handleOpen = false;
    await handle.close();
  }
  async function attempt(action: string, work: () => Promise<void>): Promise<void> {
    needOpen();
    // two writes at once would both start at the same place
    if (busy) throw new UsageError("The last write is not done yet: await it.", { path });
    busy = true;
    try {
      await work();
    } catch (cause) {
      state = "failed";
      throw asIoError(cause, path, action);
    } finally {
      busy = false;
    }
  }

  return {
    name: path,
    get byteLength() {
      return byteLength;
    },
    write: (bytes) =>
      attempt("write", async () => {
        let done = 0;
        while (done < bytes.byteLength) {
          const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done, byteLength);
          if (bytesWritten === 0) throw new IoError("The system wrote nothing and gave no reason.", { path });
          done += bytesWritten;
          byteLength += bytesWritten;
        }
      }),
    close: () =>
      attempt("finish", async () => {
        await handle.sync();
        await closeHandle();
        if (overwrite) await rename(temporary, path);
        else await renameWithoutReplacing(temporary, path);
        await syncFolder(folder);
        state = "closed";
      }),
    async abort() {
      if (state === "closed" || state === "aborted") return;
      state = "aborted";
      await closeHandle().catch(() => {});
      await unlink(temporary).catch(() => {});
    },
  };
}

/** A directory as a store. It need not exist before the first `create`, and goes again when all was aborted. */
export function directoryStore(path: string, options: FileSinkOptions = {}): ReadStore & WriteStore {
  /** Folders made by this store, which an abort removes again where they are empty. */
  const made = new Set<string>();
  async function makeFolder(folder: string): Promise<void> {
    const first = await mkdir(folder, { recursive: true });
    if (first === undefined) return;
    for (let each = resolve(folder); ; each = dirname(each)) {
      made.add(each);
      if (each === resolve(first) || each === dirname(each)) return;
    }
  }
  async function removeEmptyFolders(): Promise<void> {
    // a folder inside another has the longer path
    for (const folder of [...made].sort((a, b) => b.length - a.length)) {
      await rmdir(folder).then(
        () => made.delete(folder),
        () => {},
      );
    }
  }

  return {
    name: path,
    async open(name) {
      checkStorePath(name, path);
      const full = join(path, name);
      try {
        return await fileSource(full);
      } catch (error) {
        if (isMissing(error instanceof IoError ? error.cause : error)) return undefined;
        throw error;
      }
    },
    async list(folder) {
      if (folder !== undefined) checkStorePath(folder, path);
      const full = folder === undefined ? path : join(path, folder);
      try {
        const entries = await readdir(full, { withFileTypes: true });
        // links count as files: the Hugging Face cache is made of them
        const files = entries.filter((entry) => entry.isFile() || entry.isSymbolicLink());
        return files.map((entry) => entry.name).filter((name) => !name.endsWith(TEMPORARY_SUFFIX));
      } catch (cause) {
        if (folder !== undefined && isMissing(cause)) return [];
        throw asIoError(cause, full, "list");
      }
    },
    async create(name) {
      checkStorePath(name, path);
      const full = join(path, name);
      let sink: ByteSink;
      try {
        await makeFolder(dirname(full));
        await refuseLinkedFolder(path, dirname(full));
        sink = await fileSink(full, options);
      } catch (cause) {
        await removeEmptyFolders();
        throw asIoError(cause, full, "create");
      }
      return {
        name: sink.name,
        get byteLength() {
          return sink.byteLength;
        },
        write: (bytes) => sink.write(bytes),
        close: () => sink.close(),
        async abort() {
          await sink.abort();
          await removeEmptyFolders();
        },
      };
    },
  };
}

/** Refuses to write through a link that leads out of the output directory. */
async function refuseLinkedFolder(root: string, folder: string): Promise<void> {
  if (resolve(root) === resolve(folder)) return;
  const [realRoot, realFolder] = await Promise.all([realpath(root), realpath(folder)]);
  if (realFolder.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep)) return;
  throw new FormatError("The folder is a link that leads out of the output directory.", { path: folder });
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

async function refuseIfExists(path: string): Promise<void> {
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
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY).catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

function refuseUnlessFile(stats: BigIntStats, path: string): void {
  if (stats.isFile()) return;
  throw new IoError(
    stats.isDirectory() ? "This is a directory, not a file." : "This is not a regular file.",
    { path },
  );
}
