/**
 * The script of a Web Worker that `webWorkers` starts.
 * @module
 */
import {
  blobStore,
  layeredStore,
  type ReadStore,
  type StoreAddress,
  UsageError,
  urlStore,
} from "@requant/core";
import type { WorkerReply, WorkerRequest } from "./protocol.ts";
import { serve } from "./serve.ts";

/** The part of a worker's global scope that is used here; the library of types for pages has no other. */
interface Scope {
  onmessage: ((event: MessageEvent<WorkerRequest>) => void) | null;
  postMessage(reply: WorkerReply, transfer?: Transferable[]): void;
}

function openStore(address: StoreAddress): ReadStore {
  if (address.kind === "blobs") return blobStore(address.files, address.name);
  if (address.kind === "url") return urlStore(address.url, address.options);
  if (address.kind === "layers") return layeredStore(address.name, address.layers.map(openStore));
  throw new UsageError("A page has no directories.");
}

const scope: Scope = globalThis as typeof globalThis & Scope;
const answer = serve({
  post: (reply, transfer) => scope.postMessage(reply, transfer),
  openStore,
  async openStaged() {
    throw new UsageError("A page has no files to write into.");
  },
});
scope.onmessage = ({ data }) => answer(data);
