/**
 * Every codec with its SIMD twin in front. A new type needs its file, its line in `types/codecs.ts`, its line and its
 * name here, and its vector.
 */
import { BF16, type BlockCodec, F16, F32 } from "@requant/core";
import * as reference from "../types/codecs.ts";
import { withKernels } from "./module.ts";

export { BF16, F16, F32 };
/** F64: IEEE binary64, little-endian. Dequantizing rounds to f32 (nearest, ties to even); quantizing is exact. Layout: types/f64.ts. */
export const F64: BlockCodec = /* @__PURE__ */ withKernels(reference.F64);
/** I8: signed byte. Every value is exact in f32. Layout: types/i8.ts. */
export const I8: BlockCodec = /* @__PURE__ */ withKernels(reference.I8);
/** I16: signed 16-bit integer, little-endian. Every value is exact in f32. Layout: types/i16.ts. */
export const I16: BlockCodec = /* @__PURE__ */ withKernels(reference.I16);
/** I32: signed 32-bit integer, little-endian. Beyond ±2^24, rounded to f32 (nearest, ties to even). Layout: types/i32.ts. */
export const I32: BlockCodec = /* @__PURE__ */ withKernels(reference.I32);
/** I64: signed 64-bit integer, little-endian. Beyond ±2^24, rounded to f64 and then to f32, each to nearest, ties to even. Layout: types/i64.ts. */
export const I64: BlockCodec = /* @__PURE__ */ withKernels(reference.I64);
/** IQ1_M: 256 weights in 56 bytes. Layout: types/iq1_m.ts. */
export const IQ1_M: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ1_M);
/** IQ1_S: 256 weights in 50 bytes. Layout: types/iq1_s.ts. */
export const IQ1_S: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ1_S);
/** IQ2_S: 256 weights in 82 bytes. Layout: types/iq2_s.ts. */
export const IQ2_S: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ2_S);
/** IQ2_XS: 256 weights in 74 bytes. Layout: types/iq2_xs.ts. */
export const IQ2_XS: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ2_XS);
/** IQ2_XXS: 256 weights in 66 bytes. Layout: types/iq2_xxs.ts. */
export const IQ2_XXS: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ2_XXS);
/** IQ3_S: 256 weights in 110 bytes. Layout: types/iq3_s.ts. */
export const IQ3_S: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ3_S);
/** IQ3_XXS: 256 weights in 98 bytes. Layout: types/iq3_xxs.ts. */
export const IQ3_XXS: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ3_XXS);
/** IQ4_NL: 32 weights in 18 bytes. Layout: types/iq4_nl.ts. */
export const IQ4_NL: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ4_NL);
/** IQ4_XS: 256 weights in 136 bytes. Layout: types/iq4_xs.ts. */
export const IQ4_XS: BlockCodec = /* @__PURE__ */ withKernels(reference.IQ4_XS);
/** MXFP4: 32 weights in 17 bytes. Layout: types/mxfp4.ts. */
export const MXFP4: BlockCodec = /* @__PURE__ */ withKernels(reference.MXFP4);
/** NVFP4: 64 weights in 36 bytes, sub-blocks of 16. Layout: types/nvfp4.ts. */
export const NVFP4: BlockCodec = /* @__PURE__ */ withKernels(reference.NVFP4);
/** Q1_0: 128 weights in 18 bytes. Layout: types/q1_0.ts. */
export const Q1_0: BlockCodec = /* @__PURE__ */ withKernels(reference.Q1_0);
/** Q2_0: 64 weights in 18 bytes. Layout: types/q2_0.ts. */
export const Q2_0: BlockCodec = /* @__PURE__ */ withKernels(reference.Q2_0);
/** Q2_K: 256 weights in 84 bytes, sub-blocks of 16. Layout: types/q2_k.ts. */
export const Q2_K: BlockCodec = /* @__PURE__ */ withKernels(reference.Q2_K);
/** Q3_K: 256 weights in 110 bytes, sub-blocks of 16. Layout: types/q3_k.ts. */
export const Q3_K: BlockCodec = /* @__PURE__ */ withKernels(reference.Q3_K);
/** Q4_0: 32 weights in 18 bytes. Layout: types/q4_0.ts. */
export const Q4_0: BlockCodec = /* @__PURE__ */ withKernels(reference.Q4_0);
/** Q4_1: 32 weights in 20 bytes. Layout: types/q4_1.ts. */
export const Q4_1: BlockCodec = /* @__PURE__ */ withKernels(reference.Q4_1);
/** Q4_K: 256 weights in 144 bytes, sub-blocks of 32. Layout: types/q4_k.ts. */
export const Q4_K: BlockCodec = /* @__PURE__ */ withKernels(reference.Q4_K);
/** Q5_0: 32 weights in 22 bytes. Layout: types/q5_0.ts. */
export const Q5_0: BlockCodec = /* @__PURE__ */ withKernels(reference.Q5_0);
/** Q5_1: 32 weights in 24 bytes. Layout: types/q5_1.ts. */
export const Q5_1: BlockCodec = /* @__PURE__ */ withKernels(reference.Q5_1);
/** Q5_K: 256 weights in 176 bytes, sub-blocks of 32. Layout: types/q5_k.ts. */
export const Q5_K: BlockCodec = /* @__PURE__ */ withKernels(reference.Q5_K);
/** Q6_K: 256 weights in 210 bytes, sub-blocks of 16. Layout: types/q6_k.ts. */
export const Q6_K: BlockCodec = /* @__PURE__ */ withKernels(reference.Q6_K);
/** Q8_0: 32 weights in 34 bytes. Layout: types/q8_0.ts. */
export const Q8_0: BlockCodec = /* @__PURE__ */ withKernels(reference.Q8_0);
/** Q8_1: 32 weights in 36 bytes; ggml uses it for activations and never stores it in a file. Layout: types/q8_1.ts. */
export const Q8_1: BlockCodec = /* @__PURE__ */ withKernels(reference.Q8_1);
/** Q8_K: 256 weights in 292 bytes; ggml uses it for activations and never stores it in a file. Layout: types/q8_k.ts. */
export const Q8_K: BlockCodec = /* @__PURE__ */ withKernels(reference.Q8_K);
/** TQ1_0: 256 ternary weights in 54 bytes. Layout: types/tq1_0.ts. */
export const TQ1_0: BlockCodec = /* @__PURE__ */ withKernels(reference.TQ1_0);
/** TQ2_0: 256 ternary weights in 66 bytes. Layout: types/tq2_0.ts. */
export const TQ2_0: BlockCodec = /* @__PURE__ */ withKernels(reference.TQ2_0);

// a list, not a namespace, so that bundlers can remove unused codecs
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
