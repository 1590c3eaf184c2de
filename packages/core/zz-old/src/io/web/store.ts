import { blobSource } from "../blob.ts";
import type { ByteSink } from "../sink.ts";
import type { ByteSource } from "../source.ts";
import type { StagedFile, StageOptions } from "../staging.ts";
import type { ReadStore, WriteStore } from "../store.ts";
import { checkStorePath } from "../store-path.ts";
import { isTemporaryName, type WorkingNames, workingNames } from "../working-names.ts";
import { type Entry, Folders, findFile, removeFile } from "./folders.ts";
import { privateFilesHave, privatePath } from "./handles.ts";
import { browserSink } from "./sink.ts";
import { stageBrowserFile } from "./staged-file.ts";
import { acquireTabLock, type TabLock } from "./tab-lock.ts";
import { asIoError, guarded } from "./web-error.ts";

/** How a folder of a browser is opened as a store. */
export interface BrowserStoreOptions {
  /** For errors. Default: the folder's own name. */
  readonly name?: string | undefined;
  /** Replace existing files. Default false: refused. */
  readonly overwrite?: boolean | undefined;
}

/**
 * A folder that a person chose (`showDirectoryPicker`), or one of the origin-private file system
 * (`navigator.storage.getDirectory`), as a store. Files get their names when they are whole. In a dedicated worker, files of
 * the origin-private file system can also be staged: runs write them in any order and can be resumed.
 *
 * Where a folder of the disk is written, browsers show an empty file under the final name until the file is whole.
 */
export async function browserStore(
  directory: FileSystemDirectoryHandle,
  options: BrowserStoreOptions = {},
): Promise<ReadStore & WriteStore> {
  const { name: storeName = directory.name || "browser storage", overwrite = false } = options;
  const ownPath = await privatePath(directory);
  const isPrivate = ownPath !== undefined;
  const canStage = isPrivate && privateFilesHave("move") && privateFilesHave("createSyncAccessHandle");
  const folders = new Folders(directory);
  const pathOf = (path: string): string => `${storeName}/${path}`;

  async function find(path: string): Promise<Entry | undefined> {
    checkStorePath(path, storeName);
    const { parents, name } = split(path);
    const folder = await guarded(pathOf(path), "open", () => folders.find(parents));
    return folder === undefined ? undefined : { folder, name, path: pathOf(path) };
  }

  /** Makes the folder and then the file; removes the folder again when the file cannot be made. */
  async function make<T>(path: string, work: (entry: Entry, made: Made) => Promise<T>): Promise<T> {
    checkStorePath(path, storeName);
    const { parents, name } = split(path);
    try {
      const names = workingNames(name, await shortHash(name));
      const lockName = `requant:${[...(ownPath ?? ["", storeName]), path].join("/")}`;
      const lock = await acquireTabLock(lockName, pathOf(path));
      try {
        const folder = await folders.make(parents);
        return await work({ folder, name, path: pathOf(path) }, { names, lock });
      } catch (error) {
        await lock.release();
        throw error;
      }
    } catch (cause) {
      await folders.removeEmpty();
      throw asIoError(cause, pathOf(path), "create");
    }
  }

  async function create(path: string): Promise<ByteSink> {
    const sink = await make(path, (entry, { names, lock }) => {
      const temporary = isPrivate && privateFilesHave("move") ? `${names.temporary}.0` : undefined;
      return browserSink(entry, { overwrite, temporary, lock });
    });
    const { abort } = sink;
    sink.abort = async () => {
      await abort();
      await folders.removeEmpty();
    };
    return sink;
  }

  async function stage(path: string, staging: StageOptions): Promise<StagedFile> {
    const file = await make(path, (entry, made) =>
      stageBrowserFile(entry, { ...staging, ...made, overwrite }),
    );
    const { discard } = file;
    file.discard = async () => {
      await discard();
      await folders.removeEmpty();
    };
    return file;
  }

  return {
    name: storeName,
    async open(path): Promise<ByteSource | undefined> {
      const entry = await find(path);
      if (entry === undefined) return undefined;
      return guarded(entry.path, "open", async () => {
        const file = await (await findFile(entry))?.getFile();
        return file === undefined ? undefined : blobSource(file, entry.path);
      });
    },
    async list(folder) {
      if (folder !== undefined) checkStorePath(folder, storeName);
      const path = folder === undefined ? storeName : pathOf(folder);
      try {
        return await filesIn(await folders.find(folder?.split("/") ?? []));
      } catch (cause) {
        throw asIoError(cause, path, "list", "folder");
      }
    },
    create,
    ...(canStage ? { stage } : {}),
    async remove(path) {
      const entry = await find(path);
      if (entry !== undefined) await guarded(entry.path, "remove", () => removeFile(entry));
      await folders.removeEmpty();
    },
  };
}

interface Made {
  readonly names: WorkingNames;
  readonly lock: TabLock;
}

function split(path: string): { parents: string[]; name: string } {
  const parents = path.split("/");
  return { name: parents.pop() ?? "", parents };
}

/** Where Chromium keeps the bytes of a file that is being written. */
const SWAP_SUFFIX = ".crswap";

async function filesIn(folder: FileSystemDirectoryHandle | undefined): Promise<string[]> {
  const names: string[] = [];
  if (folder === undefined) return names;
  for await (const [name, { kind }] of folder.entries()) {
    if (kind === "file" && !isTemporaryName(name) && !name.endsWith(SWAP_SUFFIX)) names.push(name);
  }
  return names;
}

/** The first hex digits of the SHA-256 of a text. */
async function shortHash(text: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(hash.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
