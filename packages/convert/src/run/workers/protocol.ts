/** Messages between a run and its workers. All are plain data, which every `postMessage` can send. */
import {
  type CodecError,
  ConversionError,
  type ErrorCode,
  FormatError,
  IoError,
  isCodecError,
  LimitError,
  type Limits,
  type StagedAddress,
  type StoreAddress,
  UnsupportedError,
  UsageError,
} from "@requant/core";
import type { PlanTensor } from "../../plan/plan.ts";
import type { ColumnImportance } from "../guides.ts";
import type { Job, Piece, PieceResult, Work } from "../pieces.ts";
import type { WorkSizes } from "../work-area.ts";

/** A file that a worker opens itself. */
export interface SharedFile {
  readonly address: StoreAddress;
  readonly file: string;
}

/** A model that a worker opens itself. */
export interface SharedModel {
  readonly source: StoreAddress;
  readonly file: string | undefined;
  readonly limits: Limits | undefined;
  /** Versions of its files. A worker that finds other versions refuses to work. */
  readonly versions: Readonly<Record<string, string | null>>;
}

/** Everything that a worker needs before its first job. */
export interface WorkerSetup {
  readonly kind: "setup";
  readonly model: SharedModel;
  /** The adapter that is merged into the model. */
  readonly adapter: SharedModel | undefined;
  readonly largestPacked: string | undefined;
  readonly importance: ReadonlyMap<string, ColumnImportance>;
  /** The file of calibration statistics. */
  readonly statistics: SharedFile | undefined;
  /** The file of scales that are folded into the weights as they are read. */
  readonly folding: SharedFile | undefined;
  readonly sizes: WorkSizes;
  readonly sets: Work["sets"];
  readonly bandByteLength: number;
  readonly slots: number;
  /** The files to write into, by their number in the run. Without them the bytes are sent back. */
  readonly outputs: readonly { readonly address: StagedAddress; readonly name: string }[] | undefined;
}

/** What the thread of the run sends to a worker. */
export type WorkerRequest =
  | WorkerSetup
  /** With the weights of the job, by their index in the plan: all weights of the run would take the memory of each worker. */
  | {
      readonly kind: "make";
      readonly id: number;
      readonly job: Job;
      readonly tensors: ReadonlyMap<number, PlanTensor>;
    }
  | { readonly kind: "read"; readonly id: number; readonly pieces: readonly Piece[] }
  /** The bytes of the last piece of job `id` are delivered: the worker may send the next piece, in the same memory. */
  | { readonly kind: "taken"; readonly id: number; readonly memory: ArrayBuffer };

/** What a worker sends to the thread of the run. */
export type WorkerReply =
  /** A thread of Node has loaded its code. */
  | { readonly kind: "loaded" }
  /** The worker has what it needs for jobs. */
  | { readonly kind: "ready" }
  /** `index`: place of the piece in the job. */
  | {
      readonly kind: "piece";
      readonly id: number;
      readonly index: number;
      readonly bytes: Uint8Array<ArrayBuffer>;
    }
  | { readonly kind: "made"; readonly id: number; readonly results: readonly PieceResult[] }
  | { readonly kind: "read"; readonly id: number; readonly checksums: readonly string[] }
  /** Without an id: the worker cannot work at all. */
  | { readonly kind: "failed"; readonly id: number | undefined; readonly error: PlainError };

/** One worker, seen from the run. */
export interface WorkerHandle {
  /** Sends a request, and gives the memory in `transfer` away. The answer comes to the `onReply` of `listen`. */
  post(message: WorkerRequest, transfer?: readonly ArrayBuffer[]): void;
  /** `onEnd`: it ended by itself, or crashed; `reason` is for people. */
  listen(onReply: (reply: WorkerReply) => void, onEnd: (reason: string) => void): void;
  /** Ends the worker at once; resolves when it can no longer write. */
  terminate(): Promise<void>;
}

/** Where workers come from. */
export interface Workers {
  /** Most workers. */
  readonly count: number;
  /**
   * The thread of the run makes pieces as well, which saves the start of one worker. While it makes a piece it handles no
   * events, so a page should not use this. Default false.
   */
  readonly hereToo?: boolean | undefined;
  /** Weights that make the start of one more worker worth its time. Default 4 million. */
  readonly weightsPerWorker?: number | undefined;
  /** Starts one worker. */
  start(): WorkerHandle;
}

/** An error that has been through `postMessage`. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: ErrorCode | undefined;
  readonly hint: string | undefined;
  readonly path: string | undefined;
  readonly tensor: string | undefined;
  readonly offset: number | undefined;
  readonly index: number | undefined;
  readonly reason: string | undefined;
}

export function plainError(error: unknown): PlainError {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  if (!isCodecError(error)) {
    return {
      name,
      message,
      stack,
      code: undefined,
      hint: undefined,
      path: undefined,
      tensor: undefined,
      offset: undefined,
      index: undefined,
      reason: undefined,
    };
  }
  const { code, hint, path, tensor, offset, index, reason } = error;
  return { name, message, stack, code, hint, path, tensor, offset, index, reason };
}

const classes: Readonly<
  Record<ErrorCode, new (message: string, place?: ConstructorParameters<typeof CodecError>[2]) => CodecError>
> = {
  FORMAT: FormatError,
  LIMIT: LimitError,
  UNSUPPORTED: UnsupportedError,
  IO: IoError,
  CONVERSION: ConversionError,
  USAGE: UsageError,
};

/** The error again, as if it had been thrown here; its cause has the worker's stack. */
export function revivedError(plain: PlainError): Error {
  const { code, message, hint, path, tensor, offset, index, reason } = plain;
  const cause = new Error(`A worker threw ${plain.name}.`);
  if (plain.stack !== undefined) cause.stack = plain.stack;
  if (code !== undefined) {
    return new classes[code](message, { hint, path, tensor, offset, index, reason, cause });
  }
  return new Error(message, { cause });
}
