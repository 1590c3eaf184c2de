/**
 * The script of a Web Worker that `webThreads` starts.
 * @module
 */
import { serveThread, type ThreadSetup } from "./threads.ts";

/** The part of a worker's global scope that is used here; the library of types for pages has no other. */
interface Scope {
  onmessage: ((event: MessageEvent<ThreadSetup>) => void) | null;
}

const scope: Scope = globalThis as typeof globalThis & Scope;
scope.onmessage = ({ data }) => serveThread(data);
