/** Metadata as listings show it: JSON values for scripts, one line of text for people. */
import type { Metadata, MetadataArray, MetadataValue } from "@requant/core";

/** A metadata value as JSON. Integers beyond 2^53, NaN and infinities are strings; a long array has only its beginning. */
export type MetadataJson =
  | number
  | string
  | boolean
  | readonly MetadataJson[]
  | { readonly length: number; readonly first: readonly MetadataJson[] };

/** One key with its value as JSON. */
export interface MetadataEntry {
  readonly key: string;
  /** "u32", "string", "array[string]". */
  readonly type: string;
  /** Elements of an array. */
  readonly length?: number | undefined;
  readonly value: MetadataJson;
}

/** One metadata key as a listing shows it. */
export interface MetadataLine {
  readonly key: string;
  /** "u32", "string", "array[string]". */
  readonly type: string;
  /** Elements of an array. */
  readonly length?: number | undefined;
  readonly value: string;
}

/** Longer arrays than this, vocabularies above all, are cut in listings: arrays with an element per layer are shorter. */
const LONGEST_ARRAY = 256;
/** Elements that are left of an array that is cut. */
const FIRST = 8;

/**
 * Metadata for scripts. An array of more than `longestArray` elements (default 256; of none if it is infinite) becomes
 * `{ length, first }` with its first eight elements.
 *
 * @example
 * ```ts
 * import { metadataEntries } from "@requant/convert";
 * import { fileSource } from "@requant/core/node";
 * import { readGguf } from "@requant/gguf";
 *
 * const { metadata } = await readGguf(await fileSource("model.gguf"));
 * metadataEntries(metadata); // [{ key: "llama.block_count", type: "u32", value: 32 }, …]
 * ```
 */
export function metadataEntries(
  metadata: Metadata,
  options: { readonly longestArray?: number | undefined } = {},
): MetadataEntry[] {
  const { longestArray = LONGEST_ARRAY } = options;
  return Array.from(metadata, ([key, value]) => ({
    key,
    ...typeOf(value),
    value: jsonOf(value, longestArray),
  }));
}

/** Metadata for people: arrays are cut after `arrayItems` elements. */
export function metadataLines(metadata: Metadata, arrayItems: number = FIRST): MetadataLine[] {
  return Array.from(metadata, ([key, value]) => ({
    key,
    ...typeOf(value),
    value: metadataText(value, arrayItems),
  }));
}

function typeOf(value: MetadataValue): { type: string; length?: number } {
  return value.type === "array"
    ? { type: `array[${value.elementType}]`, length: value.length }
    : { type: value.type };
}

function jsonOf(value: MetadataValue, longestArray: number): MetadataJson {
  if (value.type !== "array") return jsonOfScalar(value.value);
  if (value.length <= longestArray) return firstOf(value, value.length, longestArray);
  return { length: value.length, first: firstOf(value, FIRST, longestArray) };
}

function firstOf(array: MetadataArray, count: number, longestArray: number): MetadataJson[] {
  return Array.from({ length: Math.min(count, array.length) }, (_, index) => {
    const element = array.value[index] ?? 0;
    return typeof element === "object" ? jsonOf(element, longestArray) : jsonOfScalar(element);
  });
}

function jsonOfScalar(value: number | bigint | boolean | string): MetadataJson {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (typeof value !== "number" || (Number.isFinite(value) && !Object.is(value, -0))) return value;
  return Object.is(value, -0) ? "-0" : String(value);
}

/** A value as text, without its type: strings as they are, arrays with their first `arrayItems` elements. */
export function metadataText(value: MetadataValue, arrayItems: number = FIRST): string {
  if (value.type === "array") return arrayText(value, arrayItems);
  return value.type === "string" ? value.value : scalarText(value.value, value.type);
}

function arrayText(array: MetadataArray, items: number): string {
  const shown = Array.from({ length: Math.min(items, array.length) }, (_, index): string => {
    const item = array.value[index] ?? 0;
    if (typeof item === "string") return JSON.stringify(item);
    return typeof item === "object" ? arrayText(item, items) : scalarText(item, array.elementType);
  });
  return `[${shown.join(", ")}${array.length > items ? ", …" : ""}]`;
}

function scalarText(value: number | bigint | boolean, type: string): string {
  if (typeof value !== "number") return String(value);
  if (Object.is(value, -0)) return "-0";
  return type === "f32" && Number.isFinite(value) ? String(shortestF32(value)) : String(value);
}

/** The shortest decimal that rounds to the same f32: 0.1, not 0.10000000149011612. */
function shortestF32(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return Number(value.toPrecision(9));
}
