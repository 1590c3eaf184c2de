/** Web Workers as threads, for `wasmCompute` in a worker of a page. */
import type { ThreadHandle, Threads } from "./threads.ts";

/** How many web workers compute. */
export interface WebThreadsOptions {
  /** Most threads, the caller's among them. Default: as many as the browser says it has cores. */
  readonly jobs?: number | undefined;
}

/**
 * Threads that share the memory of the caller, where the page may share memory (it is cross-origin isolated); else the caller's
 * thread alone. `create` starts a worker with this package's script:
 * `() => new Worker(new URL("@requant/calibrate/web-thread", import.meta.url), { type: "module" })`, in whatever form the
 * bundler of the page wants it.
 */
export function webThreads(create: () => Worker, options: WebThreadsOptions = {}): Threads {
  const shares = globalThis.crossOriginIsolated === true;
  return {
    count: shares ? (options.jobs ?? navigator.hardwareConcurrency) : 1,
    start: () => handleOf(create()),
  };
}

function handleOf(worker: Worker): ThreadHandle {
  return {
    post: (setup) => worker.postMessage(setup),
    listen(onEnd) {
      worker.onmessageerror = () => onEnd("a message could not be read");
      worker.onerror = (event) => {
        event.preventDefault();
        onEnd(event.message || "its script could not be loaded");
      };
    },
    async terminate() {
      worker.terminate();
    },
  };
}
