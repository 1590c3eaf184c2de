/** The kernels that find the grid behind floats, compiled from `assembly/` by scripts/build-kernels.mjs. */
import { wasm } from "../generated/hidden-kernels.ts";
import { type KernelModule, kernelModule } from "./module.ts";

/** Magnitudes of bf16, of which the kernel marks those that it has seen. */
const BFLOATS = 2 ** 15;

export const hiddenKernels: KernelModule = /* @__PURE__ */ kernelModule(wasm, {
  distinctMagnitudes: { export: { isTold: "placeMarks" }, make: () => new Uint8Array(BFLOATS) },
});
