/**
 * The front matter of a README.md. Only the YAML that model cards use for GGUF's facts is read: scalars and lists of
 * scalars at the top level. Nested structures such as model-index are skipped.
 */

import { smallest } from "@requant/core";
export type CardValue = string | readonly string[];

function unquoted(text: string): string {
  const value = text.trim();
  if (value.startsWith('"') && value.endsWith('"') && value.length > 1) {
    return value
      .slice(1, -1)
      .replace(/\\(["\\/])/g, "$1")
      .replaceAll("\\n", "\n")
      .replaceAll("\\t", "\t");
  }
  if (value.startsWith("'") && value.endsWith("'") && value.length > 1)
    return value.slice(1, -1).replaceAll("''", "'");
  return withoutComment(value);
}

/** A comment begins at a "#" behind a blank. */
function withoutComment(value: string): string {
  for (let at = value.indexOf("#", 1); at > 0; at = value.indexOf("#", at + 1))
    if (isBlank(value.charAt(at - 1))) return value.slice(0, at).trimEnd();
  return value;
}

function isBlank(text: string): boolean {
  return text.trim() === "";
}

/** `key: value`; undefined for any other line. */
function pairOf(line: string): { key: string; value: string } | undefined {
  const colon = line.indexOf(":");
  const key = line.slice(0, Math.max(0, colon));
  const rest = line.slice(colon + 1);
  return /^[A-Za-z0-9_-]+$/.test(key) && isBlank(rest.slice(0, 1)) ? { key, value: rest.trim() } : undefined;
}

/** The text of a list item, `- text`; undefined for any other line. */
function itemOf(line: string): string | undefined {
  const text = line.trimStart();
  return text.startsWith("-") && text.length > 1 && isBlank(text.charAt(1))
    ? text.slice(2).trimStart()
    : undefined;
}

function inlineList(text: string): string[] {
  const inner = text.trim().slice(1, -1).trim();
  if (inner === "") return [];
  const items = inner.matchAll(/\s*("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,]+)\s*(?:,|$)/g);
  return Array.from(items, (item) => unquoted(item[1] ?? "")).filter((item) => item !== "");
}

function blockScalar(lines: readonly string[], folded: boolean): string {
  const filledLines = lines.filter((line) => line.trim() !== "");
  const indent = smallest(filledLines.map((line) => line.length - line.trimStart().length)) ?? 0;
  const text = lines
    .map((line) => line.slice(indent))
    .join("\n")
    .trimEnd();
  return folded ? text.replace(/(?<!\n)\n(?!\n)/g, " ") : text;
}

/** Facts by key; empty when there is no front matter. */
export function readModelCard(readme: string): ReadonlyMap<string, CardValue> {
  const lines = readme.split(/\r\n|\r|\n/);
  const card = new Map<string, CardValue>();
  if (lines[0] !== "---") return card;
  const end = lines.indexOf("---", 1);
  const body = lines.slice(1, end < 0 ? undefined : end).map((line) => line.replaceAll("\t", "  "));
  for (let index = 0; index < body.length; ) {
    const pair = pairOf(body[index] ?? "");
    index++;
    if (pair === undefined) continue;
    const { key, value } = pair;
    const block: string[] = [];
    while (index < body.length && /^(?:\s|- |-$|$)/.test(body[index] ?? "")) block.push(body[index++] ?? "");
    if (/^[|>][+-]?\d?$/.test(value)) card.set(key, blockScalar(block, value.startsWith(">")));
    else if (value.startsWith("[") && value.endsWith("]")) card.set(key, inlineList(value));
    else if (value !== "" && !value.startsWith("{")) {
      const text = unquoted(value);
      if (text !== "" && text !== "null" && text !== "~") card.set(key, text);
    } else {
      const entries = block.filter((line) => line.trim() !== "" && !line.trim().startsWith("#"));
      const items = entries.map(itemOf);
      // GGUF can only keep flat lists of scalars
      const isFlat = items.every(
        (item) => item !== undefined && (/^["'[]/.test(item) || !/^[\w-]+:(?:\s|$)/.test(item)),
      );
      if (entries.length > 0 && isFlat) {
        card.set(
          key,
          items.map((item) => unquoted(item ?? "")),
        );
      }
    }
  }
  return card;
}
