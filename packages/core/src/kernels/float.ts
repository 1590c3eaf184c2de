/** The SIMD twins of `codec/f16.ts` and `codec/bf16.ts`, compiled from `assembly/` by scripts/build-kernels.mjs. */
import type { BlockCodec } from "../codec/block.ts";
import { wasm } from "../generated/kernels.ts";
import { blockTwin } from "./block-twin.ts";
import { type KernelModule, kernelModule } from "./module.ts";

const kernels: KernelModule = /* @__PURE__ */ kernelModule(wasm);

/** The codec with its SIMD twin in front. */
export function withKernels(codec: BlockCodec): BlockCodec {
  return blockTwin(codec, kernels);
}
