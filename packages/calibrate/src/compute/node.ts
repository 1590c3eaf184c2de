/**
 * What the backends need of Node: worker threads for `wasmCompute`, an adapter for `webgpuCompute`.
 * @module
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { ThreadHandle, Threads } from "./threads.ts";

export { nodeAdapter } from "./node-adapter.ts";

/** How many threads compute. */
export interface NodeThreadsOptions {
  /** Most threads, the caller's among them. Default: as many as the machine has cores. */
  readonly jobs?: number | undefined;
}

/** Threads that share the memory of the caller. */
export function nodeThreads(options: NodeThreadsOptions = {}): Threads {
  return { count: options.jobs ?? availableParallelism(), start };
}

/** The script lies beside this module: built in a package, as TypeScript source in a checkout. */
function start(): ThreadHandle {
  const isSource = import.meta.url.endsWith(".ts");
  const worker = new Worker(new URL(isSource ? "./node-thread.ts" : "./node-thread.js", import.meta.url), {
    name: "requant-compute",
    ...(isSource ? { execArgv: ["--conditions=@requant/source", "--no-warnings"] } : {}),
  });
  return {
    post: (setup) => worker.postMessage(setup),
    listen(onEnd) {
      worker.on("messageerror", (error) => onEnd(error.message));
      worker.on("error", (error) => onEnd(error instanceof Error ? error.message : String(error)));
      worker.on("exit", (code) => onEnd(`it ended with status ${code}`));
    },
    async terminate() {
      await worker.terminate();
    },
  };
}
