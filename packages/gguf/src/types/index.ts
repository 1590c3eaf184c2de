/**
 * Every ggml type with its codec: the one table that tools, recipes and tests loop over. Facts of the container (id,
 * block size, byte length) are in `constants.ts`; the arithmetic and its use of an importance matrix are in the type's
 * own file.
 */
import type { BlockCodec, ErrorPlace } from "@requant/core";
import { type TensorType, tensorTypeById, tensorTypeByName, tensorTypes } from "../constants.ts";
import { codecs } from "../kernels/codecs-twin.ts";

export * from "../kernels/codecs-twin.ts";

/**
 * How quantizing uses an importance matrix: "ignored"; "used": it changes the bytes; "required": quantizing refuses to
 * work without it.
 */
export type ImportanceUse = "ignored" | "used" | "required";

/** A ggml type with its codec, where it has one. */
export interface GgmlType extends TensorType {
  readonly codec?: BlockCodec;
  readonly importance: ImportanceUse;
}

function withCodec(type: TensorType): GgmlType {
  const codec = codecs.find(({ name }) => name === type.name);
  return { ...type, ...(codec === undefined ? {} : { codec }), importance: codec?.importance ?? "ignored" };
}

/** All ggml types. */
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
