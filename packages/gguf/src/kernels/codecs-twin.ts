/** Every codec there is, with its SIMD twin in front. Adding a type is its file, its line in `types/codecs.ts`, its line and its name here, and its vector. */
import { BF16, type BlockCodec, F16, F32 } from "@requant/core";
import * as reference from "../types/codecs.ts";
import { withKernels } from "./module.ts";

export { BF16, F16, F32 };
export const F64: BlockCodec = /* @__PURE__ */ withKernels(reference.F64);
export const I8: BlockCodec = /* @__PURE__ */ withKernels(reference.I8);
export const I16: BlockCodec = /* @__PURE__ */ withKernels(reference.I16);
export const I32: BlockCodec = /* @__PURE__ */ withKernels(reference.I32);
export const I64: BlockCodec = /* @__PURE__ */ withKernels(reference.I64);
export const IQ1_M: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ1_M);
export const IQ1_S: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ1_S);
export const IQ2_S: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ2_S);
export const IQ2_XS: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ2_XS);
export const IQ2_XXS: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ2_XXS);
export const IQ3_S: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ3_S);
export const IQ3_XXS: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ3_XXS);
export const IQ4_NL: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ4_NL);
export const IQ4_XS: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ4_XS);
export const MXFP4: BlockCodec = /* @__PURE__ */ withKernels(reference.MXFP4);
export const NVFP4: BlockCodec = /* @__PURE__ */ withKernels(reference.NVFP4);
export const Q1_0: BlockCodec = /* @__PURE__ */ withKernels(reference.Q1_0);
export const Q2_0: BlockCodec = /* @__PURE__ */ withKernels(reference.Q2_0);
export const Q2_K: BlockCodec = /* @__PURE__ */ withKernels(reference.Q2_K);
export const Q3_K: BlockCodec = /* @__PURE__ */ withKernels(reference.Q3_K);
export const Q4_0: BlockCodec = /* @__PURE__ */ withKernels(reference.Q4_0);
export const Q4_1: BlockCodec = /* @__PURE__ */ withKernels(reference.Q4_1);
export const Q4_K: BlockCodec = /* @__PURE__ */ withKernels(reference.Q4_K);
export const Q5_0: BlockCodec = /* @__PURE__ */ withKernels(reference.Q5_0);
export const Q5_1: BlockCodec = /* @__PURE__ */ withKernels(reference.Q5_1);
export const Q5_K: BlockCodec = /* @__PURE__ */ withKernels(reference.Q5_K);
export const Q6_K: BlockCodec = /* @__PURE__ */ withKernels(reference.Q6_K);
export const Q8_0: BlockCodec = /* @__PURE__ */ withKernels(reference.Q8_0);
export const Q8_1: BlockCodec = /* @__PURE__ */ withKernels(reference.Q8_1);
export const Q8_K: BlockCodec = /* @__PURE__ */ withKernels(reference.Q8_K);
export const TQ1_0: BlockCodec = /* @__PURE__ */ withKernels(reference.TQ1_0);
export const TQ2_0: BlockCodec = /* @__PURE__ */ withKernels(reference.TQ2_0);

// a list, not a namespace: what is not used must fall out of bundles
/** All codecs of ggml types. */
export const codecs: readonly BlockCodec[] = [
  BF16,
  F16,
  F32,
  F64,
  I16,
  I32,
  I64,
  I8,
  IQ1_M,
  IQ1_S,
  IQ2_S,
  IQ2_XS,
  IQ2_XXS,
  IQ3_S,
  IQ3_XXS,
  IQ4_NL,
  IQ4_XS,
  MXFP4,
  NVFP4,
  Q1_0,
  Q2_0,
  Q2_K,
  Q3_K,
  Q4_0,
  Q4_1,
  Q4_K,
  Q5_0,
  Q5_1,
  Q5_K,
  Q6_K,
  Q8_0,
  Q8_1,
  Q8_K,
  TQ1_0,
  TQ2_0,
];
