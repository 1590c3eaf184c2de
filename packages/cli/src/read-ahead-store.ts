import { type ReadStore, readAheadSource } from "@requant/core";

/** Files that are fetched a few megabytes ahead of whoever reads them. */
export function readAheadStore(store: ReadStore): ReadStore {
  return {
    ...store,
    async open(path) {
      const source = await store.open(path);
      return source === undefined ? undefined : readAheadSource(source);
    },
  };
}
