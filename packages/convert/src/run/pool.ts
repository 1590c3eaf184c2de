/** Makes the pieces of a run: in this thread, in workers, or in both. */
import { UsageError } from "@requant/core";
import type { PlanTensor } from "../plan/plan.ts";
import type { Deliver, PieceMaker } from "./piece-maker.ts";
import type { Job, Piece, PieceResult } from "./pieces.ts";
import { checksumsOf, type ReadBack } from "./read-back.ts";
import { noWork, WorkArea } from "./work-area.ts";

export interface Pool {
  /** Number of jobs that can run at the same time. Further jobs wait. */
  readonly capacity: number;
  /** Makes the pieces of a job and delivers them to the output. */
  make(job: Job): Promise<readonly PieceResult[]>;
  /** Checksums of the bytes that the output has at the places of the pieces. */
  read(pieces: readonly Piece[]): Promise<readonly string[]>;
  /** Stops all running jobs: they fail with `reason`. */
  stop(reason: unknown): void;
  close(): Promise<void>;
}

/** This thread alone: no worker has to start, which is faster for small models. */
export function localPool(
  maker: PieceMaker,
  tensors: ReadonlyMap<number, PlanTensor>,
  capacity: number,
  deliver: Deliver,
  readBack: ReadBack | undefined,
): Pool {
  const abort = new AbortController();
  return {
    capacity,
    make: (job) => maker.make(job, tensors, deliver, abort.signal),
    async read(pieces) {
      if (readBack === undefined)
        throw new UsageError(
          "An append-only output cannot be read back, so it cannot be verified piece by piece.",
        );
      return maker.read(pieces, readBack, abort.signal);
    },
    stop: (reason) => abort.abort(reason),
    close: async () => maker.close(),
  };
}

/** The workers of `pool` cannot open the output: this thread reads it back, one call after the other. */
export function readingHere(pool: Pool, readBack: ReadBack, outByteLength: number): Pool {
  const abort = new AbortController();
  let area: WorkArea | undefined;
  let last: Promise<unknown> = Promise.resolve();
  return {
    ...pool,
    read(pieces) {
      const sums = last.then(() => {
        area ??= new WorkArea({ ...noWork, out: outByteLength });
        return checksumsOf(pieces, readBack, area, abort.signal);
      });
      last = sums.catch(() => {});
      return sums;
    },
    stop(reason) {
      abort.abort(reason);
      pool.stop(reason);
    },
    async close() {
      await pool.close();
      await last;
      area?.release();
    },
  };
}

/** Two pools as one. Each job goes to the pool with fewer running jobs for its capacity, to the first where both have as many. */
export function joinedPool(first: Pool, second: Pool): Pool {
  const members = [first, second].map((pool) => ({ pool, load: 0 }));
  const capacity = first.capacity + second.capacity;
  async function give<T>(work: (pool: Pool) => Promise<T>): Promise<T> {
    const member = members.reduce((least, other) =>
      other.load * least.pool.capacity < least.load * other.pool.capacity ? other : least,
    );
    member.load += 1;
    try {
      return await work(member.pool);
    } finally {
      member.load -= 1;
    }
  }
  return {
    capacity,
    make: (job) => give((pool) => pool.make(job)),
    read: (pieces) => give((pool) => pool.read(pieces)),
    stop(reason) {
      for (const { pool } of members) pool.stop(reason);
    },
    async close() {
      await Promise.all(members.map(({ pool }) => pool.close()));
    },
  };
}

/**
 * Starts `work` for the items in order, at most `capacity` at a time. After the first failure no further item is started,
 * and the running ones are awaited. `onFailure` is called at once, so that they can be stopped.
 */
export async function inParallel<T>(
  items: Iterable<T>,
  capacity: number,
  work: (item: T) => Promise<void>,
  onFailure: (error: unknown) => void,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failure: { readonly error: unknown } | undefined;
  async function lane(): Promise<void> {
    while (failure === undefined) {
      const next = iterator.next();
      if (next.done === true) return;
      try {
        await work(next.value);
      } catch (error) {
        if (failure === undefined) {
          failure = { error };
          onFailure(error);
        }
      }
    }
  }
  await Promise.all(Array.from({ length: capacity }, lane));
  if (failure !== undefined) throw failure.error;
}
