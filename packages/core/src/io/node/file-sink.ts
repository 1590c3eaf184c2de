/** A new file, written from its start to its end. */
import { type FileHandle, open, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { IoError } from "../../errors.ts";
import type { ByteSink } from "../sink.ts";
import { SinkState } from "../sink-state.ts";
import { asIoError } from "../system-error.ts";
import { temporarySuffix } from "../working-names.ts";
import { unlinkFile } from "./busy-files.ts";
import { ownerTag, tagIsStale } from "./owner.ts";
import {
  keepPermissions,
  place,
  refuseIfExists,
  refuseIfSpecial,
  refuseName,
  syncFolder,
} from "./placing.ts";
import { transfersOf } from "./transfers.ts";
import { isZeros } from "./zeros.ts";

/** After so many bytes the system is asked to bring them to the disk, while the next ones come: `close` then waits for few. */
const FLUSH_BYTE_LENGTH = 128 * 1024 * 1024;

/** How `fileSink` treats a file that exists. */
export interface FileSinkOptions {
  /** Replace an existing file. Default false: refused. */
  readonly overwrite?: boolean;
}

/**
 * A new file, made under a temporary name in the same folder. `close` flushes it to the disk, gives it its name in
 * one step, and flushes the folder; `abort` removes it. At no time is a half-written file visible under `path`.
 */
export async function fileSink(path: string, options: FileSinkOptions = {}): Promise<ByteSink> {
  const { overwrite = false } = options;
  const folder = dirname(path);
  // unique even between processes; the cut keeps long names under the usual limit of 255 bytes
  const stem = `.${basename(path).slice(0, 48)}.`;
  const temporary = join(folder, `${stem}${await ownerTag()}${temporarySuffix}`);
  let handle: FileHandle;
  await refuseName(basename(path), path);
  try {
    await (overwrite ? refuseIfSpecial(path) : refuseIfExists(path));
    await removeStale(folder, stem);
    handle = await open(temporary, "wx");
    if (overwrite) await keepPermissions(handle, path);
  } catch (cause) {
    throw asIoError(cause, path, "create");
  }

  const transfers = transfersOf(handle);
  let byteLength = 0;
  const state = new SinkState(path);
  let handleOpen = true;
  let endsInHole = false;
  let flushedByteLength = 0;
  let flushing: Promise<void> | undefined;
  /** A system tells of bytes that it could not bring to the disk once only, so this must not be lost. */
  let flushFailure: { readonly cause: unknown } | undefined;
  function flushAhead(): void {
    if (flushing !== undefined || byteLength - flushedByteLength < FLUSH_BYTE_LENGTH) return;
    flushedByteLength = byteLength;
    flushing = handle.datasync().then(
      () => {
        flushing = undefined;
      },
      (cause: unknown) => {
        flushFailure = { cause };
      },
    );
  }
  function throwIfFlushFailed(): void {
    if (flushFailure !== undefined) throw flushFailure.cause;
  }
  async function closeHandle(): Promise<void> {
    if (!handleOpen) return;
    handleOpen = false;
    await handle.close();
  }
  const attempt = (action: string, work: () => Promise<void>): Promise<void> =>
    state.step(() =>
      work().catch((cause: unknown) => {
        throw asIoError(cause, path, action);
      }),
    );

  return {
    name: path,
    get byteLength() {
      return byteLength;
    },
    write: (bytes) =>
      attempt("write", async () => {
        throwIfFlushFailed();
        // a file with holes, as some downloads and tests make them, must not fill the disk when it is copied
        endsInHole = isZeros(bytes);
        if (endsInHole) byteLength += bytes.byteLength;
        let done = endsInHole ? bytes.byteLength : 0;
        while (done < bytes.byteLength) {
          const bytesWritten = await transfers.write(bytes, done, bytes.byteLength - done, byteLength);
          if (bytesWritten === 0) throw new IoError("The system wrote nothing and gave no reason.", { path });
          done += bytesWritten;
          byteLength += bytesWritten;
        }
        flushAhead();
      }),
    close: () =>
      attempt("finish", async () => {
        if (endsInHole) await handle.truncate(byteLength);
        await flushing;
        throwIfFlushFailed();
        await handle.sync();
        await closeHandle();
        await place(temporary, path, overwrite);
        await syncFolder(folder);
        state.close();
      }),
    async abort() {
      if (!state.abort()) return;
      await closeHandle().catch(() => {});
      await unlinkFile(temporary).catch(() => {});
    },
  };
}

/** Removes what killed processes left of the same file. */
async function removeStale(folder: string, stem: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!(name.startsWith(stem) && name.endsWith(temporarySuffix))) continue;
    const tag = name.slice(stem.length, -temporarySuffix.length);
    if (await tagIsStale(tag)) await unlinkFile(join(folder, name)).catch(() => {});
  }
}
