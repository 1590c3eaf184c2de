/** Takes the place of `node:worker_threads` where workers are started: their scripts are inside the executable. */
import { Worker as NodeWorker, type WorkerOptions } from "node:worker_threads";
import { assets } from "./assets.ts";

export class Worker extends NodeWorker {
  constructor(script: URL, options: WorkerOptions) {
    const name = script.pathname.slice(script.pathname.lastIndexOf("/") + 1);
    super(assets.getAsset(name, "utf8"), { ...options, eval: true });
  }
}
