/** What a change of metadata does, one line for each key. */
import { type MetadataDifference, metadataText } from "@requant/convert";
import type { MetadataValue } from "@requant/core";
import { fitted } from "./width.ts";

/** Columns that a key and a value may take. */
const WIDEST_KEY = 80;
const WIDEST_VALUE = 60;

/** `general.name: string "old" → "new"`, with both types where they differ; a sign in front says set, new, removed or the same. */
export function differenceLine(difference: MetadataDifference): string {
  const { key, before, after, differs, firstDifference } = difference;
  const name = fitted(key, WIDEST_KEY);
  if (before === undefined) return after === undefined ? `= ${name}` : `+ ${name}: ${typedText(after)}`;
  if (after === undefined) return `- ${name}: ${typedText(before)}`;
  if (!differs) return `= ${name}: ${typedText(before)} (unchanged)`;
  const [from, to] = [typeText(before), typeText(after)];
  const change = `${from} ${valueText(before)} → ${from === to ? "" : `${to} `}${valueText(after)}`;
  // what is left out at the ends of a value may be what differs
  const isCut = [before, after].some(isLong) && firstDifference !== undefined;
  const what = after.type === "array" ? "element" : "character";
  return `~ ${name}: ${change}${isCut ? ` (first difference at ${what} ${firstDifference})` : ""}`;
}

function typedText(value: MetadataValue): string {
  return `${typeText(value)} ${valueText(value)}`;
}

/** The type, with the length where not all of the value is shown: "string of 5,000 characters", "array[f32] of 9". */
function typeText(value: MetadataValue): string {
  if (value.type === "array") return `array[${value.elementType}] of ${value.length}`;
  return value.type === "string" && isLong(value) ? `string of ${value.value.length} characters` : value.type;
}

function isLong(value: MetadataValue): boolean {
  if (value.type === "array") return value.length > 8 || metadataText(value).length > WIDEST_VALUE;
  return value.type === "string" && value.value.length > WIDEST_VALUE - 2;
}

function valueText(value: MetadataValue): string {
  if (value.type !== "string") return fitted(metadataText(value), WIDEST_VALUE);
  // the ends are enough to be cut: a long text need not become JSON as a whole
  const { value: text } = value;
  const ends = text.length > 2000 ? text.slice(0, 1000) + text.slice(-1000) : text;
  return fitted(JSON.stringify(ends), WIDEST_VALUE);
}
