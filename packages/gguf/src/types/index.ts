/**
 * Every ggml type with its codec: the one table that tools, recipes and tests loop over. Facts of the container (id,
 * block size, byte length) are in `constants.ts`; this adds the arithmetic and what an importance matrix means to it.
 */
import { BF16, type BlockCodec, type ErrorPlace, F16, F32 } from "@requant/core";
import { type TensorType, tensorTypeById, tensorTypeByName, tensorTypes } from "../constants.ts";
import { F64 } from "./f64.ts";
import { I8 } from "./i8.ts";
import { I16 } from "./i16.ts";
import { I32 } from "./i32.ts";
import { I64 } from "./i64.ts";
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
  F64,
  I8,
  I16,
  I32,
  I64,
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

/** What quantizing does with an importance matrix: nothing, other bytes, or refuse to work without one. */
export type ImportanceUse = "ignored" | "used" | "required";

export interface GgmlType extends TensorType {
  readonly codec?: BlockCodec;
  readonly importance: ImportanceUse;
}

/** In the order of ids. */
const codecs: readonly (readonly [BlockCodec, ImportanceUse])[] = [
  [F32, "ignored"],
  [F16, "ignored"],
  [Q4_0, "used"],
  [Q4_1, "used"],
  [Q5_0, "used"],
  [Q5_1, "used"],
  [Q8_0, "ignored"],
  [Q8_1, "ignored"],
  [Q2_K, "used"],
  [Q3_K, "used"],
  [Q4_K, "used"],
  [Q5_K, "used"],
  [Q6_K, "used"],
  [Q8_K, "ignored"],
  // IQ2_XXS, IQ2_XS, IQ3_XXS, IQ1_S, IQ4_NL, IQ3_S, IQ2_S, IQ4_XS
  [I8, "ignored"],
  [I16, "ignored"],
  [I32, "ignored"],
  [I64, "ignored"],
  [F64, "ignored"],
  // IQ1_M
  [BF16, "ignored"],
  [TQ1_0, "ignored"],
  [TQ2_0, "ignored"],
  [MXFP4, "ignored"],
  [NVFP4, "ignored"],
  [Q1_0, "ignored"],
  [Q2_0, "ignored"],
];

function withCodec(type: TensorType): GgmlType {
  const entry = codecs.find(([codec]) => codec.name === type.name);
  return entry === undefined
    ? { ...type, importance: "ignored" }
    : { ...type, codec: entry[0], importance: entry[1] };
}

export const ggmlTypes: readonly GgmlType[] = /* @__PURE__ */ tensorTypes.map(withCodec);

/**
 * The ggml type with this id.
 * @throws UnsupportedError that names removed types and those of forks
 */
export function ggmlTypeById(id: number, place?: ErrorPlace): GgmlType {
  return withCodec(tensorTypeById(id, place));
}

/**
 * The ggml type with this name, as users see it: "Q4_K".
 * @throws UnsupportedError that names removed types and those of forks
 */
export function ggmlTypeByName(name: string, place?: ErrorPlace): GgmlType {
  return withCodec(tensorTypeByName(name, place));
}
