/** The page's side of the host. */

import { strings } from "../strings.ts";
import type { HostReply, HostRequest, MethodInput, MethodName, MethodOutput, Refusal } from "./protocol.ts";
import { refusalOf } from "./refusal.ts";

/** How a call can be watched and stopped. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((value: unknown) => void) | undefined;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: RefusedError): void;
  readonly onProgress: ((value: unknown) => void) | undefined;
}

/** What a call of the host throws. */
export class RefusedError extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.message);
    this.name = "RefusedError";
    this.refusal = refusal;
  }
}

/** What any error says, for the page. */
export function refusalFrom(error: unknown): Refusal {
  return error instanceof RefusedError ? error.refusal : refusalOf(error);
}

const waiting = new Map<number, Waiting>();
let lastId = 0;
let started: Worker | undefined;

/** Started by the first call: the page is there before the code that reads models is loaded. */
function host(): Worker {
  if (started !== undefined) return started;
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }: MessageEvent<HostReply>) => take(data);
  worker.onerror = (event) => {
    event.preventDefault();
    const { message } = event;
    failAll(message === "" ? strings.hostFailed : message);
  };
  started = worker;
  return worker;
}

/** A worker that broke is replaced by the next call; models that were open in it are gone. */
function failAll(message: string): void {
  started?.terminate();
  started = undefined;
  const all = [...waiting.values()];
  waiting.clear();
  for (const { reject } of all) reject(new RefusedError(refusalOf(new Error(message))));
}

function take(reply: HostReply): void {
  const call = waiting.get(reply.id);
  if (call === undefined) return;
  if (reply.kind === "progress") {
    call.onProgress?.(reply.value);
    return;
  }
  waiting.delete(reply.id);
  if (reply.kind === "done") call.resolve(reply.value);
  else call.reject(new RefusedError(reply.refusal));
}

/**
 * Calls a method of the host.
 * @throws RefusedError
 */
export function call<K extends MethodName>(
  name: K,
  input: MethodInput<K>,
  { signal, onProgress }: CallOptions = {},
): Promise<MethodOutput<K>> {
  const worker = host();
  lastId += 1;
  const id = lastId;
  const post = (request: HostRequest): void => worker.postMessage(request);
  return new Promise<MethodOutput<K>>((resolve, reject) => {
    waiting.set(id, { resolve: (value) => resolve(value as MethodOutput<K>), reject, onProgress });
    signal?.addEventListener("abort", () => post({ kind: "cancel", id }), { once: true });
    post({ kind: "call", id, name, input });
    if (signal?.aborted === true) post({ kind: "cancel", id });
  });
}
