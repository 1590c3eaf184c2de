import { UnsupportedError, UsageError } from "../../errors.ts";
import type { StagedFile, StageOptions } from "../staging.ts";
import { LONGEST_JOURNAL, type WorkingNames } from "../working-names.ts";
import { type Entry, findFile, makeFile, refuseIfExists, removeFile } from "./folders.ts";
import { isPlaceable, type PlaceableFile, type SyncAccess } from "./handles.ts";
import { letEventsIn, readAll, resize, writeAll } from "./sync-access.ts";
import type { TabLock } from "./tab-lock.ts";
import { guarded } from "./web-error.ts";

export interface BrowserStageOptions extends StageOptions {
  readonly overwrite: boolean;
  readonly names: WorkingNames;
  /** Released when the use of the file ends. */
  readonly lock: TabLock;
}

interface OpenFile {
  readonly handle: PlaceableFile;
  readonly access: SyncAccess;
}

/**
 * A file of the origin-private file system under a temporary name, with a journal beside it. Only the thread that opened
 * it can use it.
 */
export async function stageBrowserFile(entry: Entry, options: BrowserStageOptions): Promise<StagedFile> {
  const { byteLength, overwrite, names, lock } = options;
  const { folder, name, path } = entry;
  const temporary = { folder, name: names.temporary };
  const journalEntry = { folder, name: names.journal };

  const opened = await guarded(path, "create", async () => {
    if (options.resume !== true) {
      await removeFile(temporary);
      await removeFile(journalEntry);
    }
    const journal = await openFile(folder, names.journal, path);
    let file: OpenFile | undefined;
    let isNew = false;
    try {
      const kept = keptJournal(journal.access, path);
      isNew = kept.byteLength === 0;
      const published =
        !isNew && (await findFile(temporary)) === undefined && (await findFile(entry)) !== undefined;
      file = await openFile(folder, published ? name : names.temporary, path);
      if (!published) resize(file.access, byteLength, path);
      return { journal, kept, published, file };
    } catch (error) {
      file?.access.close();
      journal.access.close();
      // nothing is in them yet
      if (isNew) {
        await removeFile(temporary).catch(() => {});
        await removeFile(journalEntry).catch(() => {});
      }
      throw error;
    }
  });
  const { kept, file } = opened;
  const journal = opened.journal.access;
  let published = opened.published;
  let publishedHere = false;
  let journalByteLength = kept.byteLength;
  let isOpen = true;
  let ended = false;

  const access = (): SyncAccess => {
    if (!isOpen) throw new UsageError("The file is not open any more.", { path });
    return file.access;
  };
  /** Closes everything; true the first time. */
  function end(): boolean {
    if (ended) return false;
    ended = true;
    isOpen = false;
    file.access.close();
    journal.close();
    return true;
  }

  return {
    name: path,
    byteLength,
    journal: kept,
    get published() {
      return published;
    },
    async write(bytes, start) {
      await guarded(path, "write", () => writeAll(access(), path, bytes, start));
      await letEventsIn();
    },
    async readInto(target, start) {
      await guarded(path, "read", () => readAll(access(), path, target, start));
      await letEventsIn();
    },
    cutJournal: (length) =>
      guarded(path, "write", () => {
        journal.truncate(length);
        journalByteLength = length;
      }),
    log: (bytes) =>
      guarded(path, "write", () => {
        writeAll(journal, path, bytes, journalByteLength);
        journalByteLength += bytes.byteLength;
      }),
    sync: () =>
      guarded(path, "write", () => {
        if (!published) access().flush();
        journal.flush();
      }),
    publish: () =>
      guarded(path, "finish", async () => {
        if (published) return;
        access().flush();
        journal.flush();
        // an open file cannot be moved
        isOpen = false;
        file.access.close();
        if (!overwrite) await refuseIfExists(entry);
        await file.handle.move(name);
        published = true;
        publishedHere = true;
      }),
    async finish() {
      if (!end()) return;
      await removeFile(journalEntry).catch(() => {});
      await lock.release();
    },
    async keep() {
      if (!end()) return;
      if (publishedHere) await file.handle.move(names.temporary).catch(() => {});
      await lock.release();
    },
    async discard() {
      if (!end()) return;
      if (publishedHere) await removeFile(entry).catch(() => {});
      await removeFile(temporary).catch(() => {});
      await removeFile(journalEntry).catch(() => {});
      await lock.release();
    },
  };
}

/** Opens a file for this thread alone, and makes it where there is none. */
async function openFile(folder: FileSystemDirectoryHandle, name: string, path: string): Promise<OpenFile> {
  const handle = await makeFile(folder, name);
  if (isPlaceable(handle)) return { handle, access: await handle.createSyncAccessHandle() };
  throw new UnsupportedError("This thread cannot write a file at any place.", {
    path,
    hint: "Do this in a dedicated worker.",
  });
}

function keptJournal(access: SyncAccess, path: string): Uint8Array {
  const size = access.getSize();
  const kept = new Uint8Array(size <= LONGEST_JOURNAL ? size : 0);
  readAll(access, path, kept, 0);
  return kept;
}
