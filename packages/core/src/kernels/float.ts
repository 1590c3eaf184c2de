/** The SIMD twins of `codec/f16.ts` and `codec/bf16.ts`. */
import type { BlockCodec } from "../format/block-codec.ts";
import { blockTwin } from "./block-twin.ts";
import { coreKernels } from "./core-kernels.ts";

/** The codec with its SIMD twin in front. */
export function withKernels(codec: BlockCodec): BlockCodec {
  return blockTwin(codec, coreKernels);
}
