/** What this machine remembers of an upload: its name on the server, and a journal. Both outlive the process. */
import { createHash } from "node:crypto";
import { type FileHandle, open, readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { asIoError, lockFile, makeFolders, renameFile } from "@requant/core/node";
import * as z from "zod";

const knownUpload = z.object({
  uploadId: z.string(),
  byteLength: z.number(),
  partByteLength: z.number(),
  /** What the object's ETag will be; written before the server is asked to put the parts together. */
  completing: z.string().optional(),
});

export type KnownUpload = z.infer<typeof knownUpload>;

export interface UploadState {
  /** The upload that an earlier run began; undefined where there is none. */
  readonly known: KnownUpload | undefined;
  readonly journal: Uint8Array;
  remember(upload: KnownUpload): Promise<void>;
  cutJournal(byteLength: number): Promise<void>;
  log(bytes: Uint8Array): Promise<void>;
  /** Ends the use of the state, and removes it or keeps it for another run. Safe to call twice. */
  end(keep: boolean): Promise<void>;
}

/** @throws IoError when another process of this machine sends the same object */
export async function uploadState(folder: string, url: string): Promise<UploadState> {
  const stem = join(folder, createHash("sha256").update(url).digest("hex").slice(0, 32));
  const paths = { upload: `${stem}.json`, journal: `${stem}.journal` };
  const guarded = async <T>(action: string, path: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      throw asIoError(cause, path, action);
    }
  };
  await guarded("make", folder, () => makeFolders(folder));
  const lock = await lockFile(stem);
  let handle: FileHandle;
  let journal: Uint8Array;
  try {
    handle = await guarded("open", paths.journal, () => open(paths.journal, "a+", 0o600));
    journal = await guarded("read", paths.journal, () => handle.readFile());
  } catch (error) {
    await lock.release();
    throw error;
  }
  let ended = false;
  return {
    known: parsed(await readFile(paths.upload, "utf8").catch(() => "")),
    journal,
    remember: (upload) =>
      guarded("write", paths.upload, async () => {
        const temporary = `${paths.upload}.tmp`;
        await writeFile(temporary, JSON.stringify(upload), { mode: 0o600, flush: true });
        await renameFile(temporary, paths.upload);
      }),
    cutJournal: (byteLength) => guarded("write", paths.journal, () => handle.truncate(byteLength)),
    log: (bytes) => guarded("write", paths.journal, () => handle.appendFile(bytes)),
    async end(keep) {
      if (ended) return;
      ended = true;
      await handle.close().catch(() => {});
      if (!keep) for (const path of [paths.upload, paths.journal]) await unlink(path).catch(() => {});
      await lock.release();
    },
  };
}

function parsed(text: string): KnownUpload | undefined {
  try {
    return knownUpload.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
