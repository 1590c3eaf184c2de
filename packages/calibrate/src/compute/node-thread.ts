/** The thread that `nodeThreads` starts. */
import { parentPort } from "node:worker_threads";
import { serveThread, type ThreadSetup } from "./threads.ts";

parentPort?.once("message", (setup: ThreadSetup) => serveThread(setup));
