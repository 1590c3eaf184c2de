import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, statfs, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { type ByteSource, checkStorePath, IoError, type ReadStore, readAheadSource } from "@requant/core";
import type { HubFile } from "@requant/core/hub";
import { asIoError, lockFile, makeFolders, renameFile } from "@requant/core/node";
import { isThere } from "../files-below.ts";
import { byteQuantity } from "../render/quantity.ts";
import type { CachedRepository } from "./cache.ts";

/** What is downloaded, and from where. */
export interface Download {
  readonly cache: CachedRepository;
  readonly commit: string;
  readonly files: readonly HubFile[];
  /** The files of the repository at the commit. */
  readonly store: ReadStore;
  readonly signal: AbortSignal | undefined;
  onProgress(done: number, total: number): void;
}

/** One read; four of them are under way at a time. */
const PIECE = 4 * 1024 * 1024;

/**
 * Puts the files of a commit into the cache that are not there yet. What an interrupted download has fetched is kept
 * beside the blobs and used again. A file gets its name only when its hash is that of the listing.
 * @throws IoError where the content is not what the hub lists, or there is no room for it
 */
export async function download({ cache, commit, files, store, signal, onProgress }: Download): Promise<void> {
  const missing: (readonly [file: HubFile, blob: string])[] = [];
  let total = 0;
  for (const file of files) {
    checkStorePath(file.path, store.name);
    const blob = cache.blobOf(file);
    if (blob === undefined) continue;
    if (await isThere(blob)) await cache.link(blob, commit, file.path);
    else if (!(await isThere(`${cache.snapshot(commit)}/${file.path}`))) {
      missing.push([file, blob]);
      total += file.byteLength;
    }
  }
  if (missing.length === 0) return;
  await makeFolders(`${cache.folder}/blobs`).catch((cause: unknown) => {
    throw asIoError(cause, cache.folder, "make", "folder");
  });
  await refuseWithoutRoom(cache.folder, total);
  let before = 0;
  for (const [file, blob] of missing) {
    const lock = await lockFile(blob);
    try {
      // another process may have fetched it while we waited for others
      if (!(await isThere(blob))) {
        await fetchBlob(file, blob, store, signal, (done) => onProgress(before + done, total));
      }
      await cache.link(blob, commit, file.path);
    } finally {
      await lock.release();
    }
    before += file.byteLength;
  }
}

async function fetchBlob(
  file: HubFile,
  blob: string,
  store: ReadStore,
  signal: AbortSignal | undefined,
  onProgress: (done: number) => void,
): Promise<void> {
  const source = await store.open(file.path);
  const place = `${store.name}${file.path}`;
  if (source === undefined)
    throw new IoError("The hub lists the file, but does not send it.", { path: place });
  // a name of our own: huggingface_hub writes other names, and never goes on with ours
  const partial = `${blob}.requant.incomplete`;
  try {
    if (source.byteLength !== file.byteLength) {
      throw new IoError(
        `The hub lists the file with ${file.byteLength} bytes, but sends ${source.byteLength}.`,
        { path: place, hint: "Try again later." },
      );
    }
    const found = await writeAll(source, file, partial, signal, onProgress);
    const wanted = file.sha256 ?? file.gitHash;
    if (found !== wanted) {
      await unlink(partial);
      throw new IoError(`The downloaded bytes have the hash ${found}, but the hub lists ${wanted}.`, {
        path: place,
        hint: "Try again; if it happens again, the connection or the disk changes bytes.",
      });
    }
    await renameFile(partial, blob);
  } catch (cause) {
    throw signal?.aborted === true ? cause : asIoError(cause, partial, "write");
  } finally {
    await source.close();
  }
}

/** Goes on where the partial file ends. @returns the hash of all bytes */
async function writeAll(
  source: ByteSource,
  file: HubFile,
  partial: string,
  signal: AbortSignal | undefined,
  onProgress: (done: number) => void,
): Promise<string> {
  const { byteLength } = source;
  const hash = hashFor(file);
  const handle = await open(partial, "a+");
  try {
    let done = await hashKept(handle, byteLength, hash);
    const ahead = readAheadSource(source, { pieceByteLength: PIECE });
    while (done < byteLength) {
      signal?.throwIfAborted();
      const bytes = await ahead.read(done, Math.min(done + PIECE, byteLength));
      hash.update(bytes);
      await handle.appendFile(bytes);
      done += bytes.byteLength;
      onProgress(done);
    }
    await handle.sync();
    return hash.digest("hex");
  } finally {
    await handle.close();
  }
}

/** Hashes what an earlier download has left. @returns its length; 0 where it is longer than the file, and is dropped */
async function hashKept(handle: FileHandle, byteLength: number, hash: Hash): Promise<number> {
  const { size } = await handle.stat();
  if (size > byteLength) await handle.truncate(0);
  if (size > byteLength) return 0;
  const buffer = new Uint8Array(Math.min(PIECE, Math.max(1, size)));
  let done = 0;
  while (done < size) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.byteLength, size - done), done);
    if (bytesRead === 0) break;
    hash.update(buffer.subarray(0, bytesRead));
    done += bytesRead;
  }
  return done;
}

/** SHA-256 for large files, git's own hash for those that the hub keeps in git. */
function hashFor({ sha256, byteLength }: HubFile): Hash {
  return sha256 === undefined ? createHash("sha1").update(`blob ${byteLength}\0`) : createHash("sha256");
}

/** Refuses early what would fail after hours. A file system that does not tell its free space is tried. */
async function refuseWithoutRoom(folder: string, byteLength: number): Promise<void> {
  const info = await statfs(dirname(folder)).catch(() => undefined);
  if (info === undefined) return;
  const free = info.bavail * info.bsize;
  if (free >= byteLength) return;
  throw new IoError(
    `The download needs ${byteQuantity(byteLength)}, but the disk of the cache has ${byteQuantity(free)} free.`,
    { path: folder, hint: "Free some space, name another folder by HF_HUB_CACHE, or leave out --cache." },
  );
}
