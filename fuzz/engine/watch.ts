/** Watches a fuzzing thread from outside. */
import { Worker } from "node:worker_threads";
import type { FuzzResult } from "./fuzz.ts";

export interface WorkerOrder {
  readonly target: string;
  readonly seed: number;
  readonly executions?: number | undefined;
  readonly seconds?: number | undefined;
  readonly corpus: readonly Uint8Array[];
  /** Number of executions, length of the input that runs, the input. */
  readonly shared: SharedArrayBuffer;
}

const ROOM_BYTE_LENGTH = 64 * 1024;
const HANG_SECONDS = 120;
/** Enough for every target on small inputs; a parser that needs more has a fault. */
const MEMORY_MEGABYTES = 512;

/** Runs a target to its end; a hang or an exhausted memory is a find like any other. */
export function watch(order: Omit<WorkerOrder, "shared">): Promise<FuzzResult> {
  const shared = new SharedArrayBuffer(8 + ROOM_BYTE_LENGTH);
  const counter = new Int32Array(shared, 0, 2);
  const started = performance.now();
  const worker = new Worker(new URL("./worker.ts", import.meta.url), {
    workerData: { ...order, shared } satisfies WorkerOrder,
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MEGABYTES },
  });
  const ended = (kind: "slow" | "memory" | "error", message: string): FuzzResult => ({
    executions: counter[0] ?? 0,
    seconds: (performance.now() - started) / 1000,
    finds: [{ kind, message, input: new Uint8Array(shared, 8, counter[1]).slice() }],
    reached: [],
    covered: 0,
  });
  return new Promise((resolve) => {
    let last = -1;
    let still = 0;
    const timer = setInterval(() => {
      const now = Atomics.load(counter, 0);
      still = now === last ? still + 1 : 0;
      last = now;
      if (still < HANG_SECONDS) return;
      finish(ended("slow", `no end after ${HANG_SECONDS} s`));
    }, 1000);
    const finish = (result: FuzzResult): void => {
      clearInterval(timer);
      void worker.terminate();
      resolve(result);
    };
    worker.once("message", finish);
    worker.once("error", (error) =>
      finish(ended(/memory/i.test(error.message) ? "memory" : "error", error.stack ?? error.message)),
    );
  });
}
