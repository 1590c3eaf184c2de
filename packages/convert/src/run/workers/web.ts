/** Web Workers, for `runPlan` in a page. */
import type { WorkerHandle, WorkerReply, Workers } from "./protocol.ts";

/** How many web workers share the work. */
export interface WebWorkersOptions {
  /** Most workers. Default: as many as the browser says it has cores. */
  readonly jobs?: number | undefined;
  readonly weightsPerWorker?: number | undefined;
}

/**
 * Workers that read the source themselves and send what they make to the page. `create` starts one with this package's
 * worker: `() => new Worker(new URL("@requant/convert/web-worker", import.meta.url), { type: "module" })`, in whatever form
 * the bundler of the page wants it.
 */
export function webWorkers(create: () => Worker, options: WebWorkersOptions = {}): Workers {
  return {
    count: options.jobs ?? navigator.hardwareConcurrency,
    weightsPerWorker: options.weightsPerWorker,
    start: () => handleOf(create()),
  };
}

function handleOf(worker: Worker): WorkerHandle {
  return {
    post: (message, transfer = []) => worker.postMessage(message, [...transfer]),
    listen(onReply, onEnd) {
      worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => onReply(data);
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
