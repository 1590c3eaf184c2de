/**
 * The backend on WebGPU, for browsers and Node.
 * @module
 * @example
 * import { type Compute, wasmCompute } from "@requant/calibrate";
 * import { nodeAdapter, nodeThreads } from "@requant/calibrate/node";
 * import { webgpuCompute } from "@requant/calibrate/webgpu";
 *
 * async function fastCompute(): Promise<Compute> {
 *   // in a browser neither option is needed
 *   return webgpuCompute({ adapter: await nodeAdapter(), cpu: wasmCompute({ threads: nodeThreads() }) });
 * }
 */
export type { DeviceOptions } from "./webgpu/device.ts";
export { type WebGpuComputeOptions, webgpuCompute } from "./webgpu/webgpu-compute.ts";
