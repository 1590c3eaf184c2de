/** The kernels of this package, compiled from `assembly/` by scripts/build-kernels.mjs. */
import { type KernelModule, kernelModule } from "@requant/core/kernels";
import { wasm } from "../generated/kernels.ts";

export const kernels: KernelModule = /* @__PURE__ */ kernelModule(wasm);
