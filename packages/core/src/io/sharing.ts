import type { StagedAddress, StagedBytes } from "./staging.ts";

/** An unfinished file that several processes write, each its own ranges. Equal bytes may be written twice. */
export interface SharedFile extends StagedBytes {
  /** Where a worker opens the same file; undefined where only this thread can write it. */
  readonly address?: StagedAddress | undefined;
  /** Makes everything durable that this process wrote so far. */
  sync(): Promise<void>;
  /** Closes the file on this machine. It stays unfinished until the work is published. */
  close(): Promise<void>;
}

/** A log that one process writes, and every process reads. */
export interface SharedLog {
  /** Appends, and makes the log durable. */
  append(bytes: Uint8Array): Promise<void>;
  /** Ends the log. Readers still see what was appended. */
  close(): Promise<void>;
}

/** The final name and length of a shared file. */
export interface SharedFileName {
  readonly name: string;
  readonly byteLength: number;
}

/** Logs that several processes write, each its own, and every process reads. */
export interface SharedLogs {
  /** Begins a log under a name of its own. @param group path with "/" */
  startLog(group: string): Promise<SharedLog>;
  /** The logs of one group. */
  readLogs(group: string): Promise<readonly Uint8Array[]>;
  /** All logs, with their groups. */
  allLogs(): AsyncIterable<{ readonly group: string; readonly bytes: Uint8Array }>;
}

/**
 * The unfinished files of one piece of work that several processes, or machines, share: the files with holes where nothing is
 * written yet, and logs that say what is. There are no locks: a network file system may not have any.
 */
export interface SharedWork extends SharedLogs {
  readonly name: string;
  /** True where a process has begun to give the files their final names, so that none is written any more. */
  isPublishing(): Promise<boolean>;
  /** Opens a file, which is made where it is missing; where it has its final name already, to be read only. */
  open(file: SharedFileName): Promise<SharedFile>;
  /** Gives all files their final names. Safe to call again after a failure. */
  publish(files: readonly SharedFileName[]): Promise<void>;
  /** Removes the unfinished files and the logs. */
  remove(): Promise<void>;
}

/** An upload that a server knows by its id, as plain data: every machine that has the keys can go on with it. */
export interface BegunUpload extends SharedFileName {
  /** Of the upload, not a secret: it is of no use without the keys. */
  readonly id: string;
  /** Length of every part but the last. */
  readonly partByteLength: number;
}

/** One file that several machines send in parts to the same upload. A part that is sent twice replaces itself. */
export interface SharedUpload {
  /** The final name, for errors. */
  readonly name: string;
  readonly byteLength: number;
  readonly partByteLength: number;
  /** What the server has, by index, with its answer to each; undefined where it does not know the upload any more. */
  parts(): Promise<ReadonlyMap<number, string> | undefined>;
  /** Sends a part and compares the server's checksum of it. @returns the answer, which `parts` repeats; without white space */
  put(index: number, bytes: Uint8Array<ArrayBuffer>): Promise<string>;
  /**
   * Lets the server put the parts together under the final name. Safe to call again.
   * @returns whether the server's own checksum of the whole file is that of the parts
   */
  publish(parts: ReadonlyMap<number, string>): Promise<boolean>;
  /** Removes all parts from the server. Safe to call again. */
  abandon(): Promise<void>;
}

/** The uploads of one piece of work that several machines share, and logs beside them. */
export interface SharedUploads extends SharedLogs {
  readonly name: string;
  /** In the order in which they were asked for. */
  readonly files: readonly SharedUpload[];
  /** Removes the logs. */
  remove(): Promise<void>;
}
