import { printable } from "@requant/core/text";

/** JSON text stays the same document; the marks in its strings become JSON's own escapes. */
export function printableJson(json: string): string {
  return printable(json, (mark) =>
    // JSON's escapes are of 16 bits
    Array.from({ length: mark.length }, (_, i) => mark.charCodeAt(i))
      .map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

/** As `printable`, but lines stay lines: for help and long messages. */
export function printableLines(text: string): string {
  return text
    .split("\n")
    .map((line) => printable(line))
    .join("\n");
}
