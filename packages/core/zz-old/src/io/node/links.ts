/**
 * Symbolic links inside a model's folder. A checkpoint comes from another person, and a link in it (git, tar and zip all
 * carry links) can point to any file of the user's disk. The contents of a README.md or a chat template end up in the
 * output, so a link must not lead out of the folder.
 */
import { type FileHandle, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { FormatError, IoError } from "../../errors.ts";

const WEIGHTS = /\.(?:safetensors|gguf)$/i;

/**
 * Refuses an opened file that is, or lies behind, a link out of the folder. Allowed are:
 * - links to places inside the folder;
 * - the links that a snapshot of the Hugging Face hub's cache is made of, into `blobs` of the same model
 *   (huggingface_hub, docs "Understand caching");
 * - weights that are blobs of the hub's cache: a folder beside the cache may link to them (huggingface_hub, `local_dir`).
 * @throws FormatError for any other link out, IoError when the path came to mean another file meanwhile
 */
export async function refuseLinkOut(handle: FileHandle, folder: string, name: string): Promise<void> {
  const path = join(folder, name);
  const real = await realpath(path);
  // a path can change between two calls: check that the opened file is the file whose path is judged
  const [opened, judged] = await Promise.all([handle.stat({ bigint: true }), stat(real, { bigint: true })]);
  if (opened.ino !== judged.ino || opened.dev !== judged.dev)
    throw new IoError("The file was replaced while it was being opened.", { path, hint: "Start again." });
  const realFolder = await realpath(folder);
  if (isInside(real, realFolder) || isBlobOf(real, realFolder) || isWeightBlob(name, real)) return;
  throw leadsOut("file", path);
}

/** The same for a folder in the folder. @throws FormatError */
export async function refuseLinkedFolderOut(folder: string, name: string): Promise<void> {
  const path = join(folder, name);
  const [real, realFolder] = await Promise.all([realpath(path), realpath(folder)]);
  if (!isInside(real, realFolder)) throw leadsOut("folder", path);
}

function leadsOut(what: "file" | "folder", path: string): FormatError {
  return new FormatError(`The ${what} is a link that leads out of the model's folder, so it is not read.`, {
    path,
    hint: `If you trust the link, put a copy of the ${what} in its place, or give the folder that it leads to.`,
    reason: "link-outside",
  });
}

function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

const isModelOfCache = (part: string | undefined): boolean => part?.startsWith("models--") === true;

/** Whether a file is a blob of the cached model whose snapshot, or part of a snapshot, the folder is. */
function isBlobOf(path: string, folder: string): boolean {
  const parts = folder.split(sep);
  const at = parts.findLastIndex((part, index) => part === "snapshots" && isModelOfCache(parts[index - 1]));
  return at > 0 && isInside(path, [...parts.slice(0, at), "blobs"].join(sep));
}

function isWeightBlob(name: string, path: string): boolean {
  if (!WEIGHTS.test(name)) return false;
  const [model, blobs] = path.split(sep).slice(-3);
  return blobs === "blobs" && isModelOfCache(model);
}
