import { withoutTrailing } from "@requant/core/text";

/** The folder's own name; of a hub address `…/owner/repo/resolve/main/` the repository's. */
export function folderName(store: string): string {
  const hub = /\/([^/]+)\/resolve\/[^/]+\/?$/.exec(store)?.[1];
  return hub ?? withoutTrailing(store, "/\\").split(/[/\\]/).at(-1) ?? store;
}
