import { alreadyExists } from "./already-exists.ts";
import { memorySink, memorySource } from "./memory.ts";
import type { ByteSink } from "./sink.ts";
import type { ByteSource } from "./source.ts";
import type { ReadStore, WriteStore } from "./store.ts";
import { checkStorePath, filesIn } from "./store-path.ts";

/** A folder in memory: tests, browsers, small results. */
export interface MemoryStore extends ReadStore, WriteStore {
  /** Finished files by path. The caller may add and remove. */
  readonly files: Map<string, Uint8Array>;
}

/** `overwrite`: let `create` replace a file; refused otherwise, as on disk. */
export function memoryStore(
  options: { readonly name?: string; readonly overwrite?: boolean } = {},
): MemoryStore {
  const { name = "memory", overwrite = false } = options;
  const files = new Map<string, Uint8Array>();
  const refuseExisting = (path: string): void => {
    if (overwrite || !files.has(path)) return;
    throw alreadyExists(`${name}/${path}`);
  };
  return {
    name,
    files,
    async open(path): Promise<ByteSource | undefined> {
      checkStorePath(path, name);
      const bytes = files.get(path);
      return bytes === undefined ? undefined : memorySource(bytes, `${name}/${path}`);
    },
    async list(folder) {
      return filesIn(files.keys(), folder);
    },
    async create(path): Promise<ByteSink> {
      checkStorePath(path, name);
      refuseExisting(path);
      return memorySink((bytes) => {
        refuseExisting(path);
        files.set(path, bytes);
      }, `${name}/${path}`);
    },
    async remove(path) {
      files.delete(path);
    },
  };
}
