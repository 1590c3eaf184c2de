/** The types of metadata values as people write them, and the integers that fit each. */
import type { BigintType, MetadataValue, NumberType, ScalarType } from "@requant/core";

/** The type of a metadata value: a scalar's, or of the elements of an array. */
export interface MetadataType {
  readonly type: ScalarType;
  readonly isArray: boolean;
}

/** Type names as GGUF's documents and llama-quantize's --override-kv write them. */
const ALIASES: Readonly<Record<string, ScalarType>> = {
  int: "i64",
  float: "f32",
  str: "string",
  uint8: "u8",
  int8: "i8",
  uint16: "u16",
  int16: "i16",
  uint32: "u32",
  int32: "i32",
  uint64: "u64",
  int64: "i64",
  float32: "f32",
  float64: "f64",
};

export const scalarTypes: readonly ScalarType[] = [
  ...(["u8", "i8", "u16", "i16", "u32", "i32", "f32", "f64"] satisfies NumberType[]),
  ...(["u64", "i64"] satisfies BigintType[]),
  "bool",
  "string",
];

type IntegerType = Exclude<NumberType, "f32" | "f64"> | BigintType;

/** Least and greatest value of each integer type. */
export const integerRanges: Readonly<Record<IntegerType, readonly [least: bigint, greatest: bigint]>> = {
  u8: [0n, 0xffn],
  i8: [-0x80n, 0x7fn],
  u16: [0n, 0xffffn],
  i16: [-0x8000n, 0x7fffn],
  u32: [0n, 0xffff_ffffn],
  i32: [-0x8000_0000n, 0x7fff_ffffn],
  u64: [0n, 0xffff_ffff_ffff_ffffn],
  i64: [-0x8000_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn],
};

/** `u32`, `string[]`, or `array[string]` as listings show it; undefined for any other word. */
export function metadataTypeOf(word: string): MetadataType | undefined {
  const isListed = word.startsWith("array[") && word.endsWith("]");
  const isArray = isListed || word.endsWith("[]");
  const element = isListed ? word.slice("array[".length, -1) : isArray ? word.slice(0, -2) : word;
  const type = Object.hasOwn(ALIASES, element)
    ? ALIASES[element]
    : scalarTypes.find((name) => name === element);
  return type === undefined ? undefined : { type, isArray };
}

/** The type as `KEY=TYPE:VALUE` has it: `u32`, `string[]`. */
export function typeWord({ type, isArray }: MetadataType): string {
  return isArray ? `${type}[]` : type;
}

/** The type of a value as `KEY=TYPE:VALUE` has it; arrays inside arrays are `array[]`, which cannot be written so. */
export function typeWordOf(value: MetadataValue): string {
  return value.type === "array" ? `${value.elementType}[]` : value.type;
}
