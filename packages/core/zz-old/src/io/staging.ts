/** Where a staged file lies, as plain data: a worker of the same process opens it from this. */
export interface StagedAddress {
  readonly kind: "file";
  readonly path: string;
}

/** Bytes that are written and read in any order, several at a time. */
export interface StagedBytes {
  /** The final path, for errors. */
  readonly name: string;
  /** `bytes` may be reused by the caller when the promise resolves. */
  write(bytes: Uint8Array, start: number): Promise<void>;
  /** Fills `target` with the bytes from `start` on. */
  readInto(target: Uint8Array, start: number): Promise<void>;
}

/**
 * A file of known length that is written in any order under a temporary name, with a journal beside it. Both outlive the
 * process: after a crash or a power failure another run can go on where this one ended. As long as it is open it is
 * locked against other processes. One of `finish`, `keep` and `discard` ends its use.
 */
export interface StagedFile extends StagedBytes {
  readonly byteLength: number;
  /** Where a worker opens the same file; undefined where only this thread can write it. */
  readonly address?: StagedAddress | undefined;
  /** The journal of an earlier run that this run continues; empty where there is none. */
  readonly journal: Uint8Array;
  /** True where the earlier run gave the file its final name but did not record it: only reads are left to do. */
  readonly published: boolean;
  /** Cuts the journal to its first `byteLength` bytes: the rest is incomplete or untrusted. */
  cutJournal(byteLength: number): Promise<void>;
  /** Appends to the journal. */
  log(bytes: Uint8Array): Promise<void>;
  /**
   * Makes everything durable that was written so far: the file first, so that the journal never claims bytes that are not
   * on the disk.
   */
  sync(): Promise<void>;
  /** Makes the file durable and gives it its final name, in one step. The journal stays. */
  publish(): Promise<void>;
  /** Removes the journal; called once all files that belong together are published. */
  finish(): Promise<void>;
  /** Keeps the file and the journal for another run; a file that already has its final name loses that name again. */
  keep(): Promise<void>;
  /** Removes file and journal. Safe to call twice, and after a failure. */
  discard(): Promise<void>;
}

/** How a file is staged under a working name. */
export interface StageOptions {
  readonly byteLength: number;
  /** Go on with what an earlier run left. Otherwise that is thrown away. */
  readonly resume?: boolean | undefined;
}
