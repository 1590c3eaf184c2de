/** Takes the place of `packages/calibrate/src/compute/node-adapter.ts`: native packages cannot be loaded here. */
import { UnsupportedError } from "../../packages/core/src/errors.ts";

export async function nodeAdapter(): Promise<GPUAdapter> {
  throw new UnsupportedError("The standalone executable cannot use WebGPU.", {
    hint: "Compute on the CPU, or install the command with npm install @requant/cli webgpu.",
  });
}
