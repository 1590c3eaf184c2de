/** Metadata values from text: what stands behind `KEY=TYPE:`. */
import {
  jsonFaultPlace,
  type MetadataArray,
  type MetadataScalar,
  type MetadataValue,
  type ScalarType,
  UsageError,
} from "@requant/core";
import { quoted } from "@requant/core/text";
import { integerRanges, type MetadataType } from "./value-types.ts";

/**
 * The value that a text says. `place` begins each refusal: the key.
 * @throws UsageError for a text that is no value of the type
 */
export function parseValue(place: string, { type, isArray }: MetadataType, text: string): MetadataValue {
  return isArray ? parseArray(place, type, text) : parseScalar(place, type, text);
}

const FLOAT = /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?$/i;
/** The floats that have no digits, in the spelling that is allowed for them. */
const FLOAT_WORDS = ["NaN", "Infinity", "-Infinity"];
const GREATEST = { f32: (2 - 2 ** -23) * 2 ** 127, f64: Number.MAX_VALUE } as const;

function parseScalar(place: string, type: ScalarType, text: string): MetadataScalar {
  switch (type) {
    case "string":
      return { type, value: text };
    case "bool":
      if (text !== "true" && text !== "false") {
        throw new UsageError(`${place}: ${quoted(text)} is not a bool.`, { hint: "Write true or false." });
      }
      return { type, value: text === "true" };
    case "f32":
    case "f64":
      return { type, value: parseFloating(place, type, text.trim()) };
    case "u64":
    case "i64":
      return { type, value: parseInteger(place, type, text.trim()) };
    default:
      return { type, value: Number(parseInteger(place, type, text.trim())) };
  }
}

function parseInteger(place: string, type: keyof typeof integerRanges, text: string): bigint {
  if (!/^-?\d+$/.test(text)) {
    throw new UsageError(`${place}: ${quoted(text)} is not an integer, and the type is ${type}.`, {
      hint: "Write decimal digits.",
    });
  }
  const [least, greatest] = integerRanges[type];
  // 20 digits and a sign are the longest that fit; reading more of them would take for ever
  const value = text.length > 1000 ? greatest + 1n : BigInt(text);
  if (value < least || value > greatest) {
    throw new UsageError(`${place}: ${text} does not fit ${type}.`, {
      hint: `Allowed are ${least} to ${greatest}.`,
    });
  }
  return value;
}

function parseFloating(place: string, type: "f32" | "f64", text: string): number {
  if (FLOAT_WORDS.includes(text)) return Number(text);
  if (!FLOAT.test(text)) {
    throw new UsageError(`${place}: ${quoted(text)} is not a number, and the type is ${type}.`, {
      hint: `Write digits such as 0.5 or 1e-5, or one of ${FLOAT_WORDS.join(", ")}.`,
    });
  }
  const exact = Number(text);
  const value = type === "f32" ? Math.fround(exact) : exact;
  const isLost = value === 0 && /[1-9]/.test(text.split(/e/i)[0] ?? "");
  if (!Number.isFinite(value) || isLost) {
    throw new UsageError(`${place}: ${text} is too ${isLost ? "small" : "large"} for ${type}.`, {
      hint: `Allowed are values up to ${GREATEST[type]}, and those that do not round to zero.`,
    });
  }
  return value;
}

function parseArray(place: string, type: ScalarType, text: string): MetadataArray {
  const items = parseItems(place, type, text);
  const literals = literalsOf(items, text);
  const scalars = items.map((item, index) =>
    parseScalar(`${place}, element ${index}`, type, elementText(place, type, item, index, literals)),
  );
  const length = scalars.length;
  switch (type) {
    case "string":
      return { type: "array", elementType: type, length, value: scalars.map(({ value }) => String(value)) };
    case "bool":
      return { type: "array", elementType: type, length, value: scalars.map(({ value }) => value === true) };
    case "u64":
    case "i64":
      return { type: "array", elementType: type, length, value: scalars.map(({ value }) => BigInt(value)) };
    default:
      return { type: "array", elementType: type, length, value: scalars.map(({ value }) => Number(value)) };
  }
}

function parseItems(place: string, type: ScalarType, text: string): unknown[] {
  const example = type === "string" ? '["a", "b"]' : type === "bool" ? "[true, false]" : "[1, 2]";
  const isWord = (type === "f32" || type === "f64") && /NaN|Infinity/i.test(text);
  const words = FLOAT_WORDS.map((word) => JSON.stringify(word)).join(", ");
  const hint = isWord
    ? `JSON has no such number: write ${words} as strings.`
    : `Write a JSON array such as ${example}.`;
  let items: unknown;
  try {
    items = JSON.parse(text);
  } catch {
    throw new UsageError(`${place}: the text is not JSON: the first fault is at ${jsonFaultPlace(text)}.`, {
      hint,
    });
  }
  if (!Array.isArray(items)) {
    throw new UsageError(`${place}: ${quoted(items, 60)} is not a JSON array, and the type is ${type}[].`, {
      hint,
    });
  }
  return items;
}

/** What JSON values may be elements of which arrays, and the words for them. */
const elementKinds = {
  string: [["string"], "strings"],
  bool: [["boolean"], "true and false"],
  // integers beyond 2^53, NaN and Infinity are strings where JSON is written
  number: [["number", "string"], "numbers"],
} as const;

function elementText(
  place: string,
  type: ScalarType,
  item: unknown,
  index: number,
  literals: readonly string[],
): string {
  const [kinds, words] = elementKinds[type === "string" || type === "bool" ? type : "number"];
  if (!kinds.some((kind) => kind === typeof item)) {
    const found = item === null ? "null" : Array.isArray(item) ? "an array" : `the ${typeof item}`;
    const shown = item === null || Array.isArray(item) ? "" : ` ${quoted(item, 60)}`;
    throw new UsageError(`${place}: element ${index} is ${found}${shown}.`, {
      hint: `An array of type ${type}[] holds ${words}.`,
    });
  }
  return typeof item === "number" ? (literals[index] ?? String(item)) : String(item);
}

/**
 * The numbers of a JSON array as they are written: `JSON.parse` rounds those beyond 2^53. Empty where another element holds a
 * comma, which no array of numbers does.
 */
function literalsOf(items: readonly unknown[], text: string): string[] {
  const hasNumbers = items.some((item) => typeof item === "number");
  const literals = hasNumbers ? text.trim().slice(1, -1).split(",") : [];
  return literals.length === items.length ? literals.map((literal) => literal.trim()) : [];
}
