export type { Compute, ComputeArray } from "./compute/compute.ts";
export { plainCompute } from "./compute/plain.ts";
export type { ThreadHandle, ThreadSetup, Threads } from "./compute/threads.ts";
export { type WasmComputeOptions, wasmCompute } from "./compute/wasm-compute.ts";
export { type WebThreadsOptions, webThreads } from "./compute/web.ts";
