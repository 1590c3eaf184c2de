/**
 * Files and directories for Node: `@requant/core/node`. With `node/`, the only library files that import `node:*`.
 * @module
 */

import { type BigIntStats, constants, fstatSync } from "node:fs";
import { type FileHandle, open, readdir, realpath, rmdir, stat } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { FormatError, IoError, UsageError } from "../../errors.ts";
import { checkRange } from "../range.ts";
import type { ByteSource } from "../source.ts";
import type { ReadStore, WriteStore } from "../store.ts";
import { checkStorePath } from "../store-path.ts";
import { asIoError, isMissing } from "../system-error.ts";
import { isTemporaryName, workFolder } from "../working-names.ts";
import { unlinkFile } from "./busy-files.ts";
import { type FileSinkOptions, fileSink } from "./file-sink.ts";
import { refuseLinkedFolderOut, refuseLinkOut } from "./links.ts";
import { makeFolders } from "./make-folders.ts";
import { refuseName, syncFolder } from "./placing.ts";
import { stageFile } from "./staged-file.ts";
import { transfersOf } from "./transfers.ts";

export { asIoError } from "../system-error.ts";
export { renameFile } from "./busy-files.ts";
export { type FileSinkOptions, fileSink } from "./file-sink.ts";
export { makeFolders } from "./make-folders.ts";
export { nodeSha256 } from "./random-and-hash.ts";
export { type ReplaceOptions, replaceablePath } from "./replaceable.ts";
export { lockFile, openStagedFile } from "./staged-file.ts";

/**
 * A regular file. Reads are positional, so they may run at the same time.
 * @throws IoError when the file cannot be opened, or (from reads) when it changes while it is being read
 */
export function fileSource(path: string): Promise<ByteSource> {
  return openFile(path, async () => {});
}

/** `accept` sees the opened file before anything of it is read, and throws to refuse it. */
async function openFile(path: string, accept: (handle: FileHandle) => Promise<void>): Promise<ByteSource> {
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
    // synchronous, as after each read
    before = fstatSync(handle.fd, { bigint: true });
    refuseUnlessFile(before, path);
    await accept(handle);
  } catch (cause) {
    await handle.close();
    throw asIoError(cause, path, "open");
  }
  const byteLength = Number(before.size);
  const transfers = transfersOf(handle);

  /** A file that is replaced between two reads would mix the weights of two models, so check after each read. */
  function refuseIfChanged(offset: number): void {
    // synchronous, since this runs after each read: it takes one microsecond, the asynchronous call fifty
    const now = fstatSync(handle.fd, { bigint: true });
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
    const wanted = target.byteLength;
    checkRange(path, byteLength, start, start + wanted);
    try {
      let done = 0;
      while (done < wanted) {
        // one read call moves at most 2 GiB on some systems
        const length = Math.min(wanted - done, 0x40000000);
        const bytesRead = await transfers.read(target, done, length, start + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      refuseIfChanged(start + done);
      if (target.byteLength !== wanted) {
        throw new UsageError("The memory to read into was moved meanwhile.", { path });
      }
      if (done < wanted) {
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
    version: `${before.size}-${before.mtimeNs}`,
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

/** How a directory is opened as a store. */
export interface DirectoryStoreOptions extends FileSinkOptions {
  /** Names that the caller has chosen: links under these names are followed wherever they lead. */
  readonly named?: readonly string[];
}

/**
 * A directory as a store. It need not exist before the first `create`, and is removed again when every file was aborted.
 * Links in it that lead out of it are refused by name; those of the Hugging Face hub's cache and of weights on another
 * disk are followed.
 */
export function directoryStore(path: string, options: DirectoryStoreOptions = {}): ReadStore & WriteStore {
  const { named = [] } = options;
  /** Folders made by this store, which an abort removes again where they are empty. */
  const made = new Set<string>();
  async function makeFolder(folder: string): Promise<void> {
    for (const each of await makeFolders(folder)) made.add(each);
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

  /** Makes the file's folder and then the file; removes the folder again when the file cannot be made. */
  async function makeFile<T>(name: string, make: (full: string) => Promise<T>): Promise<T> {
    checkStorePath(name, path);
    const full = join(path, name);
    await refuseName(name, full);
    try {
      await makeFolder(dirname(full));
      await refuseLinkedFolder(path, dirname(full));
      return await make(full);
    } catch (cause) {
      await removeEmptyFolders();
      throw asIoError(cause, full, "create");
    }
  }

  /** Undefined where there is no such file. */
  async function openNamed(name: string): Promise<ByteSource | undefined> {
    const full = join(path, name);
    try {
      return await openFile(full, async (handle) => {
        if (!named.includes(name)) await refuseLinkOut(handle, path, name);
      });
    } catch (error) {
      if (isMissing(error instanceof IoError ? error.cause : error)) return undefined;
      throw error;
    }
  }

  return {
    name: path,
    address: { kind: "directory", path, named },
    realPath: async (name) => (await sameFile()).realPathOf(name === undefined ? path : join(path, name)),
    identity: async (name) => (await sameFile()).fileIdentity(name === undefined ? path : join(path, name)),
    async open(name) {
      checkStorePath(name, path);
      const found = await openNamed(name);
      if (found !== undefined || isAscii(name)) return found;
      const other = await (await sameFile()).otherSpelling(path, name);
      return other === undefined ? undefined : openNamed(other);
    },
    async list(folder) {
      if (folder !== undefined) checkStorePath(folder, path);
      const full = folder === undefined ? path : join(path, folder);
      try {
        if (folder !== undefined) await refuseLinkedFolderOut(path, folder);
        const entries = await readdir(full, { withFileTypes: true });
        // links count as files: the Hugging Face cache is made of them
        const files = entries.filter((entry) => entry.isFile() || entry.isSymbolicLink());
        return files.map((entry) => entry.name).filter((name) => !isTemporaryName(name));
      } catch (cause) {
        if (folder !== undefined && isMissing(cause)) return [];
        throw asIoError(cause, full, "list");
      }
    },
    async create(name) {
      const sink = await makeFile(name, (full) => fileSink(full, options));
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
    async stage(name, staging) {
      const file = await makeFile(name, (full) =>
        stageFile(full, { ...staging, overwrite: options.overwrite === true }),
      );
      const { discard } = file;
      file.discard = async () => {
        await discard();
        await removeEmptyFolders();
      };
      return file;
    },
    async share(name, { make = true } = {}) {
      checkStorePath(name, path);
      const folder = join(path, workFolder(name));
      if (!make && !(await isFolder(folder))) return undefined;
      try {
        await makeFolder(folder);
        await refuseLinkedFolder(path, folder);
      } catch (cause) {
        throw asIoError(cause, folder, "create");
      }
      // only the parts of a saved plan need it
      const { sharedWork } = await import("./shared-work.ts");
      return sharedWork(folder, path, options.overwrite === true);
    },
    async remove(name) {
      checkStorePath(name, path);
      const full = join(path, name);
      try {
        await unlinkFile(full);
        await syncFolder(dirname(full));
      } catch (cause) {
        if (!isMissing(cause)) throw asIoError(cause, full, "remove");
      }
      await removeEmptyFolders();
    },
  };
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    if (isMissing(cause)) return false;
    throw asIoError(cause, path, "find");
  }
}

/** Loaded when it is asked for: a command that only reads a file needs nothing of it. */
function sameFile(): Promise<typeof import("./same-file.ts")> {
  return import("./same-file.ts");
}

/** Whether a name has one Unicode form alone. */
function isAscii(name: string): boolean {
  return /^[\u0020-\u007e]*$/.test(name);
}

/** Refuses to write through a link that leads out of the output directory. */
async function refuseLinkedFolder(root: string, folder: string): Promise<void> {
  if (resolve(root) === resolve(folder)) return;
  const [realRoot, realFolder] = await Promise.all([realpath(root), realpath(folder)]);
  if (realFolder.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep)) return;
  throw new FormatError("The folder is a link that leads out of the output directory.", { path: folder });
}

function refuseUnlessFile(stats: BigIntStats, path: string): void {
  if (stats.isFile()) return;
  throw stats.isDirectory()
    ? new IoError("This is a directory, not a file.", { path, hint: "Give the path of a file in it." })
    : new IoError("This is not a regular file.", { path, hint: "Give the path of a file." });
}
