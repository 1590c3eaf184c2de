/** Where the pieces of a run go. `runInto` drives every output through the same steps. */
import type { Deliver } from "../piece-maker.ts";
import type { Job, MadePiece } from "../pieces.ts";
import type { Pool } from "../pool.ts";
import type { ReadBack } from "../read-back.ts";
import type { WorkerSetup } from "../workers/protocol.ts";

/** The steps of an output, in this order. An output that has nothing to do in a step leaves it out. */
export interface RunOutput {
  /** Jobs at the same time when there are no workers. */
  readonly slots: number;
  readonly deliver: Deliver;
  /** Where what was written can be read again by pieces. */
  readonly readBack?: ReadBack | undefined;
  /** Files that workers can open, write and read themselves. Without them, this thread does all of it. */
  readonly files?: WorkerSetup["outputs"];
  /** The jobs that an earlier run did not finish; all by default. */
  jobsLeft?(pool: Pool): Promise<readonly Job[]>;
  /** Before the first piece: headers are written. */
  begin(): Promise<void>;
  /** Pieces were delivered. */
  note?(made: readonly MadePiece[]): Promise<void>;
  /** A piece failed: calls of `deliver` that wait for their turn must fail, too. */
  fail?(error: unknown): void;
  /** Reads again what was written, before it is published. Only where the run checks. */
  check?(pool: Pool): Promise<void>;
  /** Gives all files their names. */
  publish(): Promise<void>;
  /** Reads again what was published. Only where the run checks. */
  checkPublished?(): Promise<void>;
  /** After a failure in any step but the last. No unfinished file may keep its final name. */
  end(error: unknown): Promise<void>;
}

/** An output that a later run can go on with. */
export interface ResumableOutput extends RunOutput {
  /** Whether the earlier run had already given the file its final name. */
  isPublished(name: string): boolean;
  /** True when no earlier run left unfinished files. */
  isEmpty(): boolean;
  /** Ends the use of all files. Returns true when finished work was kept for a later run. */
  close(keep: boolean): Promise<boolean>;
}
