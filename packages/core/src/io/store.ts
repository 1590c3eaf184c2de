import type { ByteSink } from "./sink.ts";
import type { ByteSource } from "./source.ts";

/** A folder of named files to read: a directory, a URL prefix, a set of Blobs. Paths use "/" and stay inside. */
export interface ReadStore {
  readonly name: string;
  /** The source, or undefined when there is no such file. */
  open(path: string): Promise<ByteSource | undefined>;
  /**
   * File names directly inside the store, or inside one of its folders; undefined where listing is impossible (plain HTTP). A folder
   * that is not there is empty.
   */
  list(folder?: string): Promise<readonly string[] | undefined>;
}

/** A folder of named files to write, each atomically (see `ByteSink`). */
export interface WriteStore {
  readonly name: string;
  create(path: string): Promise<ByteSink>;
}
