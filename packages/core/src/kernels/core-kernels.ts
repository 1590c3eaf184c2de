/** The kernels of this package, compiled from `assembly/` by scripts/build-kernels.mjs. */
import { wasm } from "../generated/kernels.ts";
import { type KernelModule, kernelModule } from "./module.ts";

export const coreKernels: KernelModule = /* @__PURE__ */ kernelModule(wasm);
