/** Typed metadata values, made and read. */
import type { MetadataValue, NumberType } from "@requant/core";
import { FormatError } from "@requant/core";

export function u32(value: number): MetadataValue {
  if (!Number.isSafeInteger(value) || value < 0 || value > 0xffffffff) {
    throw new FormatError(`${value} does not fit a u32 metadata value.`);
  }
  return { type: "u32", value };
}

export function i32(value: number): MetadataValue {
  if (!Number.isSafeInteger(value) || value < -0x80000000 || value > 0x7fffffff) {
    throw new FormatError(`${value} does not fit an i32 metadata value.`);
  }
  return { type: "i32", value };
}

export function f32(value: number): MetadataValue {
  return { type: "f32", value: Math.fround(value) };
}

export function bool(value: boolean): MetadataValue {
  return { type: "bool", value };
}

export function string(value: string): MetadataValue {
  return { type: "string", value };
}

export function numberArray(elementType: NumberType, value: readonly number[]): MetadataValue {
  const rounded = elementType === "f32" ? value.map(Math.fround) : value;
  return { type: "array", elementType, length: rounded.length, value: rounded };
}

export function boolArray(value: readonly boolean[]): MetadataValue {
  return { type: "array", elementType: "bool", length: value.length, value };
}

export function stringArray(value: readonly string[]): MetadataValue {
  return { type: "array", elementType: "string", length: value.length, value };
}

/** The value of any number type; u64 and i64 only when they are safe integers. */
export function numberOf(value: MetadataValue | undefined): number | undefined {
  if (value === undefined || value.type === "array" || value.type === "bool" || value.type === "string")
    return undefined;
  if (typeof value.value === "number") return value.value;
  const number = Number(value.value);
  return Number.isSafeInteger(number) ? number : undefined;
}

export function boolOf(value: MetadataValue | undefined): boolean | undefined {
  return value?.type === "bool" ? value.value : undefined;
}

export function stringOf(value: MetadataValue | undefined): string | undefined {
  return value?.type === "string" ? value.value : undefined;
}

export function stringsOf(value: MetadataValue | undefined): readonly string[] | undefined {
  return value?.type === "array" && value.elementType === "string" ? value.value : undefined;
}

export function numbersOf(value: MetadataValue | undefined): readonly number[] | undefined {
  if (value?.type !== "array") return undefined;
  switch (value.elementType) {
    case "bool":
    case "string":
    case "array":
      return undefined;
    case "u64":
    case "i64":
      return Array.from(value.value, Number);
    default:
      return Array.from(value.value);
  }
}

export function boolsOf(value: MetadataValue | undefined): readonly boolean[] | undefined {
  return value?.type === "array" && value.elementType === "bool" ? value.value : undefined;
}

/** The shortest decimal that rounds to the same f32: 9.999999747378752e-6 becomes 1e-5, the value that was written. */
export function shortestFloat(value: number): number {
  if (!Number.isFinite(value) || Math.fround(value) !== value) return value;
  for (let digits = 1; digits < 10; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return value;
}
