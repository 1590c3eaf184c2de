/** The thread that `nodeWorkers` starts. */
import { parentPort } from "node:worker_threads";
import { layeredStore, type ReadStore, type StoreAddress, UsageError, urlStore } from "@requant/core";
import { directoryStore, openStagedFile } from "@requant/core/node";
import type { WorkerReply, WorkerRequest } from "./protocol.ts";
import { serve } from "./serve.ts";

function openStore(address: StoreAddress): ReadStore {
  if (address.kind === "directory") return directoryStore(address.path, { named: address.named ?? [] });
  if (address.kind === "url") return urlStore(address.url, address.options);
  if (address.kind === "layers") return layeredStore(address.name, address.layers.map(openStore));
  throw new UsageError(`A worker thread cannot open ${address.kind}.`);
}

const post = (reply: WorkerReply, transfer?: ArrayBuffer[]): void => parentPort?.postMessage(reply, transfer);
const answer = serve({
  post,
  openStore,
  openStaged: openStagedFile,
});
parentPort?.on("message", (request: WorkerRequest) => answer(request));
post({ kind: "loaded" });
