/** Runs one target in a thread of its own, so that a hang or exhausted memory ends only the thread. */
import { parentPort, workerData } from "node:worker_threads";
import { targets } from "../targets/index.ts";
import { fuzz } from "./fuzz.ts";
import type { WorkerOrder } from "./watch.ts";

const order: WorkerOrder = workerData;
const target = targets.find(({ name }) => name === order.target);
if (target === undefined) throw new Error(`no target ${order.target}`);
const counter = new Int32Array(order.shared, 0, 2);
const room = new Uint8Array(order.shared, 8);
const result = await fuzz(target, {
  ...order,
  onInput(input) {
    room.set(input.subarray(0, room.length));
    counter[1] = Math.min(input.length, room.length);
    Atomics.add(counter, 0, 1);
  },
});
parentPort?.postMessage(result);
