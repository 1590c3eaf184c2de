/** The host: the worker in which models are opened, looked at, compared and converted. */
import type { Control } from "./control.ts";
import { methods } from "./methods/index.ts";
import type { HostReply, HostRequest } from "./protocol.ts";
import { refusalOf } from "./refusal.ts";
import { transferredBy } from "./transfer.ts";

interface Scope {
  onmessage: ((event: MessageEvent<HostRequest>) => void) | null;
  postMessage(reply: HostReply, transfer?: Transferable[]): void;
}

const scope: Scope = globalThis as typeof globalThis & Scope;
const running = new Map<number, AbortController>();

function isMethod(name: string): name is keyof typeof methods {
  return Object.hasOwn(methods, name);
}

async function answer({ id, name, input }: HostRequest & { kind: "call" }): Promise<void> {
  const abort = new AbortController();
  running.set(id, abort);
  const control: Control = {
    signal: abort.signal,
    progress: (value) => scope.postMessage({ kind: "progress", id, value }),
  };
  try {
    if (!isMethod(name)) throw new Error(`The host has no method ${name}.`);
    // the page's types give each method its own input
    const method = methods[name] as (input: unknown, control: Control) => Promise<unknown>;
    const value = await method(input, control);
    scope.postMessage({ kind: "done", id, value }, transferredBy(value));
  } catch (error) {
    scope.postMessage({ kind: "failed", id, refusal: refusalOf(error) });
  } finally {
    running.delete(id);
  }
}

scope.onmessage = ({ data }) => {
  if (data.kind === "cancel") running.get(data.id)?.abort();
  else void answer(data);
};
