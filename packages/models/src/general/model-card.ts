/**
 * The front matter of a README.md: as much YAML as model cards use for the facts that GGUF keeps (scalars and lists of
 * scalars at the top level). Nested structures such as model-index are passed over.
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
  return value.replace(/\s+#.*$/, "");
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
    const match = /^([A-Za-z0-9_-]+):(?:\s+(.*))?$/.exec(body[index] ?? "");
    index++;
    if (match?.[1] === undefined) continue;
    const block: string[] = [];
    while (index < body.length && /^(?:\s|- |-$|$)/.test(body[index] ?? "")) block.push(body[index++] ?? "");
    const value = (match[2] ?? "").trim();
    if (/^[|>][+-]?\d?$/.test(value)) card.set(match[1], blockScalar(block, value.startsWith(">")));
    else if (value.startsWith("[") && value.endsWith("]")) card.set(match[1], inlineList(value));
    else if (value !== "" && !value.startsWith("{")) {
      const text = unquoted(value);
      if (text !== "" && text !== "null" && text !== "~") card.set(match[1], text);
    } else {
      const entries = block.filter((line) => line.trim() !== "" && !line.trim().startsWith("#"));
      const items = entries.map((line) => /^\s*-\s+(.*)$/.exec(line)?.[1]);
      // anything but a flat list of scalars is a structure that GGUF has no place for
      const isFlat = items.every(
        (item) => item !== undefined && (/^["'[]/.test(item) || !/^[\w-]+:(?:\s|$)/.test(item)),
      );
      if (entries.length > 0 && isFlat) {
        card.set(
          match[1],
          items.map((item) => unquoted(item ?? "")),
        );
      }
    }
  }
  return card;
}
