/** Files of a browser. TypeScript's types for pages lack what only the origin-private file system has. */

/** Reads and writes at once, in dedicated workers. While one is open, nothing else can write, move or remove the file. */
export interface SyncAccess {
  read(target: Uint8Array, options: { readonly at: number }): number;
  write(bytes: Uint8Array, options: { readonly at: number }): number;
  truncate(byteLength: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

/** A file that can get another name without being copied. `move` replaces a file of that name. */
export interface MovableFile extends FileSystemFileHandle {
  move(name: string): Promise<void>;
}

/** A movable file that can be written at any place. */
export interface PlaceableFile extends MovableFile {
  createSyncAccessHandle(): Promise<SyncAccess>;
}

/** Whether this thread can do this to files of the origin-private file system; `createSyncAccessHandle` needs a worker. */
export function privateFilesHave(method: keyof PlaceableFile): boolean {
  return typeof FileSystemFileHandle === "function" && method in FileSystemFileHandle.prototype;
}

export function isMovable(file: FileSystemFileHandle): file is MovableFile {
  return "move" in file;
}

export function isPlaceable(file: FileSystemFileHandle): file is PlaceableFile {
  return "move" in file && "createSyncAccessHandle" in file;
}

/** The folders that lead to a folder of the origin-private file system; undefined for a folder elsewhere. */
export async function privatePath(folder: FileSystemDirectoryHandle): Promise<readonly string[] | undefined> {
  try {
    const root = await navigator.storage.getDirectory();
    return (await root.resolve(folder)) ?? undefined;
  } catch {
    // some browsers have none, or none in private windows
    return undefined;
  }
}
