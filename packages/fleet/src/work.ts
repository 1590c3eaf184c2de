import { isCodecError } from "@requant/core";
import { type Job, type Queue, UnrecoverableError, Worker } from "bullmq";
import { type FleetPart, PREFIX, parsePartJob, partOf, QUEUE } from "./part-job.ts";
import { type DonePart, markDone } from "./plan-record.ts";
import { withQueue } from "./queue.ts";

/** A job is given to another worker so often before it counts as failed. */
const MOST_STALLS = 20;
/** Milliseconds between two looks whether anything is left. */
const LOOK_INTERVAL = 500;

/** What a worker tells while it works. */
export type WorkEvent =
  | { readonly kind: "started"; readonly part: FleetPart }
  | { readonly kind: "done"; readonly part: FleetPart; readonly seconds: number }
  | { readonly kind: "failed"; readonly part: FleetPart | undefined; readonly message: string }
  /** Redis is away, or answers with an error; the worker goes on. */
  | { readonly kind: "redis"; readonly message: string };

/** How a machine works. */
export interface WorkOptions {
  /** `redis://…` or `rediss://…` */
  readonly url: string;
  /** Parts at the same time. */
  readonly concurrency: number;
  /** Makes a part. An error of the code IO is tried again, on any machine; others are not. */
  run(part: FleetPart): Promise<Omit<DonePart, "at">>;
  /** No further part is begun after this; the running ones are finished. */
  readonly signal?: AbortSignal | undefined;
  /** End when nothing is left in the queue. Default: wait for more. */
  readonly untilEmpty?: boolean | undefined;
  /** Seconds after which the parts of a worker that gives no sign of life go to others. Default 30. */
  readonly stalledAfter?: number | undefined;
  /** Called when a part begins, ends or fails, and when the server cannot be reached. */
  readonly onEvent?: ((event: WorkEvent) => void) | undefined;
}

/** What a worker has done. */
export interface WorkReport {
  readonly done: number;
  /** Attempts that failed. */
  readonly failed: number;
  /** Those of them after which the part is not tried again. */
  readonly failedForGood: number;
}

/**
 * Takes parts from the queue and makes them, until `signal`, or until nothing is left.
 * @throws IoError where Redis does not answer at the start
 */
export async function workOnParts(options: WorkOptions): Promise<WorkReport> {
  const { url, concurrency, run, signal, untilEmpty = false, stalledAfter = 30, onEvent } = options;
  let done = 0;
  let failed = 0;
  let failedForGood = 0;
  return withQueue(url, "work", async ({ redis, queue }) => {
    const process = async (job: Job): Promise<void> => {
      const part = parsedForGood(job);
      onEvent?.({ kind: "started", part });
      const result = await run(part).catch((error: unknown) => {
        throw withoutRetry(error);
      });
      await markDone(redis, part, result);
      done += 1;
      onEvent?.({ kind: "done", part, seconds: result.seconds });
    };
    const worker = new Worker(QUEUE, process, {
      connection: redis,
      prefix: PREFIX,
      concurrency,
      lockDuration: stalledAfter * 1000,
      stalledInterval: stalledAfter * 1000,
      maxStalledCount: MOST_STALLS,
    });
    worker.on("failed", (job, error) => {
      failed += 1;
      // set where the queue gives up the job; one that is tried again has no end
      if (job === undefined || typeof job.finishedOn === "number") failedForGood += 1;
      onEvent?.({ kind: "failed", part: partOf(job?.data), message: error.message });
    });
    worker.on("error", (error) => onEvent?.({ kind: "redis", message: error.message }));
    try {
      await ended(queue, signal, untilEmpty);
    } finally {
      await worker.close();
    }
    return { done, failed, failedForGood };
  });
}

function parsedForGood(job: Job): FleetPart {
  try {
    return parsePartJob(job.data);
  } catch (error) {
    throw withoutRetry(error);
  }
}

/** A failure that every machine would meet again is not tried again. */
function withoutRetry(error: unknown): unknown {
  if (!isCodecError(error)) return error;
  const text = [error.message, error.hint ?? []].flat().join(" ");
  return error.code === "IO" ? new Error(text, { cause: error }) : new UnrecoverableError(text);
}

/** Resolves when the worker is to end. */
async function ended(queue: Queue, signal: AbortSignal | undefined, untilEmpty: boolean): Promise<void> {
  while (signal?.aborted !== true) {
    if (untilEmpty && (await isEmpty(queue))) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, LOOK_INTERVAL);
      signal?.addEventListener("abort", wake, { once: true });
    });
  }
}

async function isEmpty(queue: Queue): Promise<boolean> {
  const counts = await queue.getJobCounts("wait", "prioritized", "delayed", "active");
  return Object.values(counts).every((count) => count === 0);
}
