/**
 * A file of known length that a server takes in numbered parts, in any order, and puts together at the end. It can be read
 * only then. A journal on this machine outlives the process, and the server keeps the parts: another run can go on where this
 * one ended. One of `finish`, `keep` and `discard` ends its use.
 */
export interface UploadedFile {
  /** The final name, for errors. */
  readonly name: string;
  readonly byteLength: number;
  /** Length of every part but the last. */
  readonly partByteLength: number;
  /** The journal of an earlier run that this run continues; empty where there is none. */
  readonly journal: Uint8Array;
  /** Parts that the server has from the earlier run, by index, with what it answered to each. */
  readonly parts: ReadonlyMap<number, string>;
  /** True where the earlier run had given the file its final name but did not record it: nothing is left to send. */
  readonly published: boolean;
  /** After `publish`: whether the server's own checksum of the whole file is that of the parts that were sent. */
  readonly confirmed: boolean;
  /** Cuts the journal to its first `byteLength` bytes. */
  cutJournal(byteLength: number): Promise<void>;
  /** Appends to the journal. */
  log(bytes: Uint8Array): Promise<void>;
  /** Begins the upload, where no earlier one is continued. */
  begin(): Promise<void>;
  /**
   * Sends a part and compares the server's checksum of it.
   * @returns what the server answered, which `parts` of a later run repeats; without white space
   */
  put(index: number, bytes: Uint8Array<ArrayBuffer>): Promise<string>;
  /** Lets the server put the parts together under the final name. The journal stays. */
  publish(): Promise<void>;
  /** Removes the journal; called once all files that belong together are published. */
  finish(): Promise<void>;
  /** Keeps parts and journal for another run. A file that was published now is removed: others of its set are missing. */
  keep(): Promise<void>;
  /** Removes the parts on the server and the journal. Safe to call twice, and after a failure. */
  discard(): Promise<void>;
}
