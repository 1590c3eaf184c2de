/** The backend on WebGPU, for browsers and Node: `@requant/calibrate/webgpu`. */
export type { DeviceOptions } from "./webgpu/device.ts";
export { type WebGpuComputeOptions, webgpuCompute } from "./webgpu/webgpu-compute.ts";
