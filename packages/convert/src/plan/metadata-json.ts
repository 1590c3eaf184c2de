import type { Metadata, MetadataArray, MetadataScalar, MetadataValue } from "@requant/core";
import * as z from "zod/mini";

/**
 * Metadata as plain JSON, so that a plan can be stored or sent. 64-bit integers are decimal strings, and the floats that
 * JSON lacks are the strings "NaN", "Infinity", "-Infinity" and "-0".
 */

const numberSchema: z.ZodMiniType<number | string> = z.union([
  z.number(),
  z.enum(["NaN", "Infinity", "-Infinity", "-0"]),
]);
const integerSchema: z.ZodMiniType<string> = z.string().check(z.regex(/^-?\d{1,20}$/));
/** @inline */
type NumberTypeName = "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "f32" | "f64";
/** @inline */
type BigintTypeName = "u64" | "i64";

const numberTypes: z.ZodMiniEnum<{ [K in NumberTypeName]: K }> = z.enum([
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "f64",
]);
const bigintTypes: z.ZodMiniEnum<{ [K in BigintTypeName]: K }> = z.enum(["u64", "i64"]);

/** An array of metadata as JSON. All its elements have one type. */
export type JsonMetadataArray =
  | { type: "array"; elementType: NumberTypeName; value: (number | string)[] }
  | { type: "array"; elementType: BigintTypeName; value: string[] }
  | { type: "array"; elementType: "bool"; value: boolean[] }
  | { type: "array"; elementType: "string"; value: readonly string[] }
  | { type: "array"; elementType: "array"; value: JsonMetadataArray[] };

/** A value of metadata as JSON, with its type in the file. */
export type JsonMetadataValue =
  | { type: NumberTypeName; value: number | string }
  | { type: BigintTypeName; value: string }
  | { type: "bool"; value: boolean }
  | { type: "string"; value: string }
  | JsonMetadataArray;

/** In file order. */
export type JsonMetadata = [key: string, value: JsonMetadataValue][];

const arraySchema: z.ZodMiniType<JsonMetadataArray> = z.lazy(() =>
  z.discriminatedUnion("elementType", [
    z.object({ type: z.literal("array"), elementType: numberTypes, value: z.array(numberSchema) }),
    z.object({ type: z.literal("array"), elementType: bigintTypes, value: z.array(integerSchema) }),
    z.object({ type: z.literal("array"), elementType: z.literal("bool"), value: z.array(z.boolean()) }),
    z.object({ type: z.literal("array"), elementType: z.literal("string"), value: z.array(z.string()) }),
    z.object({ type: z.literal("array"), elementType: z.literal("array"), value: z.array(arraySchema) }),
  ]),
);

const valueSchema: z.ZodMiniType<JsonMetadataValue> = z.union([
  z.object({ type: numberTypes, value: numberSchema }),
  z.object({ type: bigintTypes, value: integerSchema }),
  z.object({ type: z.literal("bool"), value: z.boolean() }),
  z.object({ type: z.literal("string"), value: z.string() }),
  arraySchema,
]);

export const jsonMetadataSchema: z.ZodMiniType<JsonMetadata> = z.array(z.tuple([z.string(), valueSchema]));

function numberToJson(value: number): number | string {
  if (Number.isNaN(value)) return "NaN";
  if (value === Number.POSITIVE_INFINITY) return "Infinity";
  if (value === Number.NEGATIVE_INFINITY) return "-Infinity";
  return Object.is(value, -0) ? "-0" : value;
}

/** Scores of a vocabulary are many, and nearly all of them plain. */
function numbersToJson(values: ArrayLike<number>): (number | string)[] {
  const json: (number | string)[] = Array.from(values);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    if (value === 0 || !Number.isFinite(value)) json[i] = numberToJson(value);
  }
  return json;
}

/** What arrays of JSON were made of, as long as nobody can have changed them. */
const origins = /* @__PURE__ */ new WeakMap<JsonMetadataArray, MetadataArray>();

/** Scores and types of a vocabulary are many, and most runs never read them in the plan: they become JSON at first use. */
function lazyArray<E extends string, T>(
  array: MetadataArray,
  elementType: E,
  toJson: () => T[],
): { type: "array"; elementType: E; value: T[] } {
  let value: T[] | undefined;
  const json = {
    type: "array" as const,
    elementType,
    get value(): T[] {
      if (value === undefined) {
        value = toJson();
        origins.delete(json as JsonMetadataArray);
      }
      return value;
    },
  };
  origins.set(json as JsonMetadataArray, array);
  return json;
}

function arrayToJson(array: MetadataArray): JsonMetadataArray {
  switch (array.elementType) {
    case "bool":
      return lazyArray(array, "bool", () => [...array.value]);
    case "string":
      return textsToJson(array);
    case "array":
      return { type: "array", elementType: "array", value: array.value.map(arrayToJson) };
    case "u64":
    case "i64":
      return lazyArray(array, array.elementType, () => Array.from(array.value, String));
    default:
      return lazyArray(array, array.elementType, () => numbersToJson(array.value));
  }
}

/** The strings are not copied: a vocabulary is large, and it is never changed. */
function textsToJson(array: MetadataArray & { readonly elementType: "string" }): JsonMetadataArray {
  const json: JsonMetadataArray = {
    type: "array",
    elementType: "string",
    get value() {
      return array.value;
    },
  };
  origins.set(json, array);
  return json;
}

function valueToJson(value: MetadataValue): JsonMetadataValue {
  switch (value.type) {
    case "array":
      return arrayToJson(value);
    case "bool":
      return { type: "bool", value: value.value };
    case "string":
      return { type: "string", value: value.value };
    case "u64":
    case "i64":
      return { type: value.type, value: String(value.value) };
    default:
      return { type: value.type, value: numberToJson(value.value) };
  }
}

/** Metadata as JSON that a plan can hold. */
export function metadataToJson(metadata: Metadata): JsonMetadata {
  return Array.from(metadata, ([key, value]): [string, JsonMetadataValue] => [key, valueToJson(value)]);
}

function arrayFromJson(array: JsonMetadataArray): MetadataArray {
  const origin = origins.get(array);
  if (origin !== undefined) return origin;
  const length = array.value.length;
  switch (array.elementType) {
    case "bool":
      return { type: "array", elementType: "bool", length, value: array.value };
    case "string":
      return { type: "array", elementType: "string", length, value: array.value };
    case "array":
      return { type: "array", elementType: "array", length, value: array.value.map(arrayFromJson) };
    case "u64":
    case "i64":
      return { type: "array", elementType: array.elementType, length, value: array.value.map(BigInt) };
    default:
      return { type: "array", elementType: array.elementType, length, value: array.value.map(Number) };
  }
}

function valueFromJson(value: JsonMetadataValue): MetadataValue {
  switch (value.type) {
    case "array":
      return arrayFromJson(value);
    case "bool":
      return { type: "bool", value: value.value };
    case "string":
      return { type: "string", value: value.value };
    case "u64":
    case "i64":
      return { type: value.type, value: BigInt(value.value) };
    default: {
      const scalar: MetadataScalar = { type: value.type, value: Number(value.value) };
      return scalar;
    }
  }
}

/** Metadata from the JSON of a plan. */
export function metadataFromJson(json: JsonMetadata): Metadata {
  return new Map(json.map(([key, value]) => [key, valueFromJson(value)]));
}
