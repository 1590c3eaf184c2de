import { withoutTrailing } from "@requant/core/text";

/**
 * The folder's own name; the repository's for a hub address `…/owner/repo/resolve/main/`, and for a folder of the hub's
 * cache, `…/models--owner--repo/snapshots/COMMIT`.
 */
export function folderName(store: string): string {
  const hub = /\/([^/]+)\/resolve\/[^/]+\/?$/.exec(store)?.[1];
  const parts = withoutTrailing(store, "/\\").split(/[/\\]/);
  const [repository, folder] = parts.slice(-3);
  const isCached = folder === "snapshots" && repository?.startsWith("models--") === true;
  return hub ?? (isCached ? repository.split("--").at(-1) : parts.at(-1)) ?? store;
}
