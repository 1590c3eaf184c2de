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

/**
 * The unfinished files of one piece of work that several processes, or machines, share: the files with holes where nothing is
 * written yet, and logs that say what is. There are no locks: a network file system may not have any.
 */
export interface SharedWork {
  readonly name: string;
  /** True where a process has begun to give the files their final names, so that none is written any more. */
  isPublishing(): Promise<boolean>;
  /** Opens a file, which is made where it is missing; where it has its final name already, to be read only. */
  open(file: SharedFileName): Promise<SharedFile>;
  /** Begins a log under a name of its own. @param group path with "/" */
  startLog(group: string): Promise<SharedLog>;
  /** The logs of one group. */
  readLogs(group: string): Promise<readonly Uint8Array[]>;
  /** All logs, with their groups. */
  allLogs(): AsyncIterable<{ readonly group: string; readonly bytes: Uint8Array }>;
  /** Gives all files their final names. Safe to call again after a failure. */
  publish(files: readonly SharedFileName[]): Promise<void>;
  /** Removes the unfinished files and the logs. */
  remove(): Promise<void>;
}
