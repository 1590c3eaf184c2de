import type { HttpOptions } from "./http-request.ts";
import type { BegunUpload, SharedUploads, SharedWork } from "./sharing.ts";
import type { ByteSink } from "./sink.ts";
import type { ByteSource } from "./source.ts";
import type { StagedFile, StageOptions } from "./staging.ts";
import type { UploadedFile } from "./upload.ts";

/** A store as plain data, from which a worker opens the same one. */
export type StoreAddress =
  | { readonly kind: "directory"; readonly path: string; readonly named?: readonly string[] }
  | { readonly kind: "url"; readonly url: string; readonly options: PlainUrlOptions }
  | { readonly kind: "blobs"; readonly name: string; readonly files: ReadonlyMap<string, Blob> }
  | { readonly kind: "layers"; readonly name: string; readonly layers: readonly StoreAddress[] };

/** The options of a URL store that can be sent to a worker. */
export type PlainUrlOptions = Omit<HttpOptions, "fetch" | "signal"> & {
  readonly retries?: number;
  readonly files?: readonly string[];
};

/** A folder of named files to read: a directory, a URL prefix, a set of Blobs. Paths use "/" and stay inside. */
export interface ReadStore {
  readonly name: string;
  /** The source, or undefined when there is no such file. */
  open(path: string): Promise<ByteSource | undefined>;
  /**
   * File names directly inside the store, or inside one of its folders; undefined where listing is impossible (plain
   * HTTP). A missing folder is empty.
   */
  list(folder?: string): Promise<readonly string[] | undefined>;
  /** Where a worker finds the same files; undefined when only this thread can read them. */
  readonly address?: StoreAddress | undefined;
  /** The real path of a file or, without a path, of the folder itself, with links resolved; for stores on a disk. */
  realPath?(path?: string): Promise<string>;
  /** Which file or folder that is, however it is spelled: disks may treat upper and lower case, or two Unicode forms, as one. */
  identity?(path?: string): Promise<FileIdentity>;
}

/** Where a path leads, by the numbers that a file system gives. */
export interface FileIdentity {
  /** Undefined where there is no file. */
  readonly own: string | undefined;
  /** The folders above it that exist, the innermost first. */
  readonly above: readonly string[];
}

/** A folder of named files to write, each atomically (see `ByteSink`). */
export interface WriteStore {
  readonly name: string;
  /**
   * A new file that is written from start to end. It has its name once the sink is closed.
   * @throws IoError where a file of this name is in the way
   */
  create(path: string): Promise<ByteSink>;
  /** A file that is written in any order and survives the process; absent where the store has no such files. */
  stage?(path: string, options: StageOptions): Promise<StagedFile>;
  /**
   * Unfinished files that several processes write at the same time, by the name of the work; absent where the store has no
   * such files. With `make: false`, undefined where nothing of this name was begun.
   */
  share?(name: string, options?: { readonly make?: boolean }): Promise<SharedWork | undefined>;
  /** A file that a server takes in parts, and that a later run can go on with; absent where the store has no such files. */
  upload?(path: string, options: StageOptions): Promise<UploadedFile>;
  /** Begins an upload that several machines send parts to; absent where the store has no such files. */
  beginUpload?(path: string, byteLength: number): Promise<BegunUpload>;
  /** The uploads of one piece of work, by its name; together with `beginUpload`. */
  shareUploads?(name: string, files: readonly BegunUpload[]): SharedUploads;
  /** Removes a finished file; absent where the store cannot. A missing file is no error. */
  remove?(path: string): Promise<void>;
}
