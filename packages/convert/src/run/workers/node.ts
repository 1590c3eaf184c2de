/**
 * Worker threads of Node, for `runPlan`: `@requant/convert/node`.
 * @module
 */
import module from "node:module";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { WorkerHandle, WorkerReply, Workers } from "./protocol.ts";

/** How many threads share the work. */
export interface NodeWorkersOptions {
  /** Most threads that work, the one of the run among them. Default: as many as the machine has cores. */
  readonly jobs?: number | undefined;
  /** Weights that make the start of one more worker worth its time. */
  readonly weightsPerWorker?: number | undefined;
}

/** Threads that read the source and write the output themselves. */
export function nodeWorkers(options: NodeWorkersOptions = {}): Workers {
  return {
    count: options.jobs ?? availableParallelism(),
    hereToo: true,
    weightsPerWorker: options.weightsPerWorker,
    start,
  };
}

/** The script lies beside this module: built in a package, as TypeScript source in a checkout. */
function start(): WorkerHandle {
  const isSource = import.meta.url.endsWith(".ts");
  // worker threads use the same folder for compiled code as the process
  const { getCompileCacheDir } = module as { getCompileCacheDir?(): string | undefined };
  const cache = getCompileCacheDir?.();
  const worker = new Worker(new URL(isSource ? "./node-worker.ts" : "./node-worker.js", import.meta.url), {
    name: "requant",
    ...(cache === undefined ? {} : { env: { ...process.env, NODE_COMPILE_CACHE: cache } }),
    ...(isSource ? { execArgv: ["--conditions=@requant/source", "--no-warnings"] } : {}),
  });
  let ended = false;
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    listen(onReply, onEnd) {
      worker.on("message", (reply: WorkerReply) => onReply(reply));
      worker.on("messageerror", (error) => onEnd(error.message));
      worker.on("error", (error) => {
        ended = true;
        onEnd(error instanceof Error ? error.message : String(error));
      });
      worker.on("exit", (code) => {
        if (!ended) onEnd(`it ended with status ${code}`);
        ended = true;
      });
    },
    async terminate() {
      ended = true;
      await worker.terminate();
    },
  };
}
