import type { Finding } from "@requant/core";
import type { StatisticsLocation } from "../model/statistics-file.ts";
import type { Workers } from "./workers/protocol.ts";

/**
 * Memory of a run, whatever the model's size: each worker makes two bands at a time (one, without workers, for an output that
 * only appends). A band is `bandByteLength` of f32 (one row, if that is more); held of it are its stored bytes and its new
 * ones, of a plan with several targets the new ones of each, and all its values only where rows change places. Pages of the
 * reader add 4 MiB. Of packed weights the stored parts of two are held by each worker, twice those of the largest
 * (`Model.reserve`). The exceptions are held whole, one for each worker: a weight that is transposed or reshaped on the way, and
 * the f32 values of one whose format sees all of them before it chooses a code.
 */
export const defaultBandByteLength: number = 4 * 1024 * 1024;

/** How far a run is. */
export interface RunProgress {
  readonly phase: "write" | "check";
  readonly file: string;
  readonly tensor: string | undefined;
  /** Bytes of tensor data so far in this phase, of all files of the run. */
  readonly done: number;
  readonly total: number;
}

/** How a plan is carried out. */
export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  /** The jobs to do, by name of output file; all by default. */
  readonly files?: readonly string[] | undefined;
  /** Do not refuse files that exist. The store must be one that overwrites. */
  readonly overwrite?: boolean | undefined;
  /**
   * Go on with a run that was interrupted: by a signal, an I/O error, the end of its process, a power failure. Where there
   * is none, begin. Without this, what an interrupted run left is thrown away.
   */
  readonly resume?: boolean | undefined;
  /** Leave what is finished for another run when this one is interrupted. Default true, where the store can. */
  readonly keep?: boolean | undefined;
  /** Read every written tensor again and compare checksums. Default true. */
  readonly check?: boolean | undefined;
  /**
   * Go on where a weight is NaN or infinite, or becomes so when it is stored, and tell of it in the report. Packed targets
   * of other formats have no codes for such weights and refuse them in any case. Default false.
   */
  readonly allowNonFinite?: boolean | undefined;
  /** f32 bytes of one band of rows. Default 4 MiB. */
  readonly bandByteLength?: number | undefined;
  /** The importance matrix that the plan was made with. */
  readonly imatrix?: ReadonlyMap<string, ArrayLike<number>> | undefined;
  /** The file of the calibration statistics that the plan was made with. */
  readonly statistics?: StatisticsLocation | undefined;
  /**
   * Threads that share the work: `nodeWorkers` of "@requant/convert/node", or `webWorkers`. The bytes are the same with any
   * number of them. Without, for small models, and for sources that only this thread can read, this thread does it all.
   */
  readonly workers?: Workers | undefined;
  /** Called after each piece of a weight that was written, or checked. */
  readonly onProgress?: ((progress: RunProgress) => void) | undefined;
  /**
   * What a person may want to know while it runs. "kept": an interrupted run left something for one that resumes.
   * "compared": there was nothing left to resume but whole files; they are what this run makes.
   */
  readonly onFinding?: ((finding: Finding) => void) | undefined;
}
