/** The run's side of workers, whatever kind they are. */
import { IoError } from "@requant/core";
import type { PlanTensor } from "../../plan/plan.ts";
import type { Deliver } from "../piece-maker.ts";
import { type Job, type Piece, type PieceResult, tensorsOf } from "../pieces.ts";
import type { Pool } from "../pool.ts";
import {
  revivedError,
  type WorkerHandle,
  type WorkerReply,
  type WorkerSetup,
  type Workers,
} from "./protocol.ts";

interface Task {
  readonly worker: Member;
  readonly job: Job | undefined;
  resolve(answer: readonly PieceResult[] | readonly string[]): void;
  reject(error: unknown): void;
}

interface Member {
  readonly handle: WorkerHandle;
  /** Tasks under way. */
  load: number;
}

/**
 * Starts `count` workers. `deliver` is called for each piece when the workers have no files to write into; a worker continues
 * only when the call returns.
 */
export function workerPool(
  workers: Workers,
  count: number,
  setup: WorkerSetup,
  tensors: ReadonlyMap<number, PlanTensor>,
  deliver: Deliver,
): Pool {
  const tasks = new Map<number, Task>();
  let lastId = 0;
  let failure: { readonly error: unknown } | undefined;
  let closing = false;
  const members = Array.from({ length: count }, (): Member => ({ handle: workers.start(), load: 0 }));

  function stop(error: unknown): void {
    if (failure !== undefined || closing) return;
    failure = { error };
    for (const task of tasks.values()) task.reject(error);
    tasks.clear();
    // `close` waits for this
    for (const { handle } of members) void handle.terminate();
  }

  async function takePiece(id: number, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const task = tasks.get(id);
    const piece = task?.job?.pieces[index];
    if (task === undefined || piece === undefined) return;
    await deliver(piece, bytes);
    task.worker.handle.post({ kind: "taken", id, memory: bytes.buffer }, [bytes.buffer]);
  }

  function onReply(reply: WorkerReply): void {
    if (reply.kind === "loaded" || reply.kind === "ready") return;
    if (reply.kind === "failed" && reply.id === undefined) {
      stop(revivedError(reply.error));
      return;
    }
    const id = reply.id ?? 0;
    const task = tasks.get(id);
    if (task === undefined) return;
    if (reply.kind === "piece") {
      takePiece(id, reply.index, reply.bytes).catch(stop);
      return;
    }
    tasks.delete(id);
    task.worker.load -= 1;
    if (reply.kind === "failed") task.reject(revivedError(reply.error));
    else task.resolve(reply.kind === "made" ? reply.results : reply.checksums);
  }

  for (const { handle } of members) {
    handle.listen(onReply, (reason) => {
      stop(
        new IoError(`A worker stopped: ${reason}.`, {
          hint: "If memory is short, use fewer jobs.",
        }),
      );
    });
    handle.post(setup);
  }

  function send<T extends readonly PieceResult[] | readonly string[]>(
    job: Job | undefined,
    request: (id: number) => Parameters<WorkerHandle["post"]>[0],
  ): Promise<T> {
    if (failure !== undefined) return Promise.reject(failure.error);
    const worker = members.reduce((least, member) => (member.load < least.load ? member : least));
    lastId += 1;
    const id = lastId;
    worker.load += 1;
    return new Promise<T>((resolve, reject) => {
      tasks.set(id, { worker, job, resolve: (answer) => resolve(answer as T), reject });
      worker.handle.post(request(id));
    });
  }

  return {
    capacity: count * setup.slots,
    make: (job) =>
      send<readonly PieceResult[]>(job, (id) => {
        return { kind: "make", id, job, tensors: tensorsOf(job, tensors, setup.sets) };
      }),
    read: (pieces: readonly Piece[]) =>
      send<readonly string[]>(undefined, (id) => ({ kind: "read", id, pieces })),
    stop,
    async close() {
      closing = true;
      await Promise.all(members.map(({ handle }) => handle.terminate()));
    },
  };
}
