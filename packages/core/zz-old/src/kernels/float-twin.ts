/** The SIMD twins of `numeric/f16.ts` and `numeric/bf16.ts`. */
import type { BlockCodec } from "../format/block-codec.ts";
import { BF16 as referenceBF16 } from "../numeric/bf16.ts";
import { F16 as referenceF16 } from "../numeric/f16.ts";
import { blockTwin } from "./block-twin.ts";
import { coreKernels } from "./core-kernels.ts";

/** IEEE binary16, little-endian. */
export const F16: BlockCodec = /* @__PURE__ */ blockTwin(referenceF16, coreKernels);

/** bfloat16, little-endian: the upper half of an f32. */
export const BF16: BlockCodec = /* @__PURE__ */ blockTwin(referenceBF16, coreKernels);
