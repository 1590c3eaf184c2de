/** Every codec there is. Adding a type is its file, its line and its name here, and its vector. */
import { BF16, type BlockCodec, F16, F32 } from "@requant/core";
import { F64 } from "./f64.ts";
import { I8 } from "./i8.ts";
import { I16 } from "./i16.ts";
import { I32 } from "./i32.ts";
import { I64 } from "./i64.ts";
import { IQ1_M } from "./iq1_m.ts";
import { IQ1_S } from "./iq1_s.ts";
import { IQ2_S } from "./iq2_s.ts";
import { IQ2_XS } from "./iq2_xs.ts";
import { IQ2_XXS } from "./iq2_xxs.ts";
import { IQ3_S } from "./iq3_s.ts";
import { IQ3_XXS } from "./iq3_xxs.ts";
import { IQ4_NL } from "./iq4_nl.ts";
import { IQ4_XS } from "./iq4_xs.ts";
import { MXFP4 } from "./mxfp4.ts";
import { NVFP4 } from "./nvfp4.ts";
import { Q1_0 } from "./q1_0.ts";
import { Q2_0 } from "./q2_0.ts";
import { Q2_K } from "./q2_k.ts";
import { Q3_K } from "./q3_k.ts";
import { Q4_0 } from "./q4_0.ts";
import { Q4_1 } from "./q4_1.ts";
import { Q4_K } from "./q4_k.ts";
import { Q5_0 } from "./q5_0.ts";
import { Q5_1 } from "./q5_1.ts";
import { Q5_K } from "./q5_k.ts";
import { Q6_K } from "./q6_k.ts";
import { Q8_0 } from "./q8_0.ts";
import { Q8_1 } from "./q8_1.ts";
import { Q8_K } from "./q8_k.ts";
import { TQ1_0 } from "./tq1_0.ts";
import { TQ2_0 } from "./tq2_0.ts";

export {
  BF16,
  F16,
  F32,
  F64,
  I8,
  I16,
  I32,
  I64,
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
};

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
