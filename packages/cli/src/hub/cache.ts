/**
 * The download cache that `hf`, transformers and others share (huggingface_hub, guide "Understand caching"):
 * models--OWNER--NAME/ with blobs/HASH, snapshots/COMMIT/PATH as links to them, and refs/REVISION with a commit.
 */
import { readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { type HubFile, isCommit } from "@requant/core/hub";
import { asIoError, makeFolders, renameFile } from "@requant/core/node";
import { isThere } from "../files-below.ts";

/** One repository in the cache. */
export interface CachedRepository {
  readonly folder: string;
  /** The commit that a revision stood for when it was last asked; undefined where nothing of it is cached. */
  commitOf(revision: string): Promise<string | undefined>;
  /** The folder of the files of a commit. */
  snapshot(commit: string): string;
  /** Where the content of a file is kept; undefined for a file whose hash the hub does not tell. */
  blobOf(file: HubFile): string | undefined;
  /** Gives content that is in place its name in the snapshot. */
  link(blob: string, commit: string, path: string): Promise<void>;
  remember(revision: string, commit: string): Promise<void>;
}

export function cachedRepository(cacheFolder: string, repository: string): CachedRepository {
  const folder = join(cacheFolder, ["models", ...repository.split("/")].join("--"));
  const snapshot = (commit: string): string => join(folder, "snapshots", commit);
  const reference = (revision: string): string => join(folder, "refs", ...revision.split("/"));
  return {
    folder,
    snapshot,
    async commitOf(revision) {
      if (isCommit(revision)) return (await isThere(snapshot(revision))) ? revision : undefined;
      if (leadsOut(revision)) return undefined;
      const text = await readFile(reference(revision), "utf8").catch(() => "");
      return isCommit(text.trim()) ? text.trim() : undefined;
    },
    blobOf({ sha256, gitHash }) {
      const hash = sha256 ?? gitHash;
      return hash === "" ? undefined : join(folder, "blobs", hash);
    },
    async link(blob, commit, path) {
      const name = join(snapshot(commit), ...path.split("/"));
      try {
        if (await isThere(name)) return;
        await makeFolders(dirname(name));
        await linkOrMove(blob, name);
      } catch (cause) {
        throw asIoError(cause, name, "create");
      }
    },
    async remember(revision, commit) {
      if (revision === commit || leadsOut(revision)) return;
      const path = reference(revision);
      const temporary = `${path}.${process.pid}.tmp`;
      try {
        await makeFolders(dirname(path));
        await writeFile(temporary, commit);
        await renameFile(temporary, path);
      } catch (cause) {
        throw asIoError(cause, path, "write");
      }
    },
  };
}

/** Whether the file of a reference would not be below the folder of references. */
function leadsOut(revision: string): boolean {
  return revision
    .split(/[/\\]/)
    .some((part) => part === "" || part === "." || part === ".." || part.includes(":"));
}

/** Windows lets only some users make links: there the file itself takes the name, as `hf` does it. */
async function linkOrMove(blob: string, name: string): Promise<void> {
  try {
    await symlink(relative(dirname(name), blob), name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "EPERM") throw error;
    await renameFile(blob, name);
  }
}
