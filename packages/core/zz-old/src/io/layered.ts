import type { ReadStore, StoreAddress } from "./store.ts";

/** Several places of the same files: each file comes from the first store that has it. */
export function layeredStore(name: string, stores: readonly ReadStore[]): ReadStore {
  const layers: StoreAddress[] = [];
  for (const { address } of stores) if (address !== undefined) layers.push(address);
  return {
    name,
    ...(layers.length === stores.length ? { address: { kind: "layers", name, layers } } : {}),
    async open(path) {
      for (const store of stores) {
        const source = await store.open(path);
        if (source !== undefined) return source;
      }
      return undefined;
    },
    async list(folder) {
      const all = new Set<string>();
      for (const store of stores) {
        const names = await store.list(folder);
        if (names === undefined) return undefined;
        for (const each of names) all.add(each);
      }
      return [...all];
    },
  };
}
