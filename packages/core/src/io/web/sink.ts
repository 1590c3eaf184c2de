import { UnsupportedError } from "../../errors.ts";
import type { ByteSink } from "../sink.ts";
import { SinkState } from "../sink-state.ts";
import { type Entry, findFile, makeFile, refuseIfExists, removeFile } from "./folders.ts";
import { isMovable, isPlaceable, type PlaceableFile } from "./handles.ts";
import { letEventsIn, writeAll } from "./sync-access.ts";
import type { TabLock } from "./tab-lock.ts";
import { guarded } from "./web-error.ts";

export interface BrowserSinkOptions {
  readonly overwrite: boolean;
  /**
   * The name until the file is whole, where files can be moved. Elsewhere the browser keeps the bytes aside until `close`,
   * and shows an empty file under the final name meanwhile.
   */
  readonly temporary: string | undefined;
  /** Released by `close` and `abort`. */
  readonly lock: TabLock;
}

/** A new file. The bytes have the final name when `close` returns, in one step. */
export async function browserSink(entry: Entry, options: BrowserSinkOptions): Promise<ByteSink> {
  const { overwrite, lock } = options;
  const { folder, name, path } = entry;
  const opened = await guarded(path, "create", async () => {
    if (!overwrite) await refuseIfExists(entry);
    const temporary = { folder, name: options.temporary ?? name };
    const isNew = options.temporary !== undefined || (await findFile(entry)) === undefined;
    const handle = await makeFile(folder, temporary.name);
    const discard = async (): Promise<void> => {
      if (isNew) await removeFile(temporary).catch(() => {});
    };
    try {
      const placed = options.temporary !== undefined && isPlaceable(handle);
      const writer = await (placed ? syncWriter(handle, path) : streamWriter(handle, path));
      return { handle, discard, writer };
    } catch (error) {
      await discard();
      throw error;
    }
  });
  const { handle, discard, writer } = opened;

  let byteLength = 0;
  const state = new SinkState(path);
  const attempt = (action: string, work: () => Promise<void>): Promise<void> =>
    state.step(() => guarded(path, action, work));

  return {
    name: path,
    get byteLength() {
      return byteLength;
    },
    write: (bytes) =>
      attempt("write", async () => {
        await writer.write(bytes, byteLength);
        byteLength += bytes.byteLength;
      }),
    close: () =>
      attempt("finish", async () => {
        await writer.close();
        if (options.temporary !== undefined && isMovable(handle)) {
          if (!overwrite) await refuseIfExists(entry);
          await handle.move(name);
        }
        state.close();
        await lock.release();
      }),
    async abort() {
      if (!state.abort()) return;
      await writer.abort().catch(() => {});
      await discard();
      await lock.release();
    },
  };
}

/** Takes the bytes of a file from its start to its end. */
interface Writer {
  write(bytes: Uint8Array, start: number): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}

/** Keeps the bytes aside until `close`. */
async function streamWriter(handle: FileSystemFileHandle, path: string): Promise<Writer> {
  if (!("createWritable" in handle)) {
    throw new UnsupportedError("This browser cannot write files here.", {
      path,
      hint: "Use a newer browser, or write to the browser's own storage in a dedicated worker.",
    });
  }
  const writable = await handle.createWritable();
  return {
    write: (bytes) => writable.write(bytes as Uint8Array<ArrayBuffer>),
    close: () => writable.close(),
    abort: () => writable.abort(),
  };
}

/** Writes in place, which is faster and tells why it fails. */
async function syncWriter(handle: PlaceableFile, path: string): Promise<Writer> {
  const access = await handle.createSyncAccessHandle();
  // what a tab that was closed has left
  access.truncate(0);
  return {
    async write(bytes, start) {
      writeAll(access, path, bytes, start);
      await letEventsIn();
    },
    async close() {
      access.flush();
      access.close();
    },
    async abort() {
      access.close();
    },
  };
}
