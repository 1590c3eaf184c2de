import { bounded, printable } from "@requant/core/text";

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

// Unicode's East Asian Width: these and emoji take two columns of a terminal (UAX #11, EastAsianWidth.txt, W and F)
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const MARK = /\p{Mark}/u;

function characterWidth(character: string): number {
  if (character <= "~") return 1;
  return MARK.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
}

/** Columns of a terminal that a printable text takes. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** Printable text of at most `columns` columns of a terminal, the middle of a wider one replaced by an ellipsis. */
export function fitted(text: string, columns: number): string {
  // cut by characters first, which bounds the work, and then by width
  const short = bounded(text, columns);
  if (displayWidth(short) <= columns) return short;
  const characters = [...short];
  const start = withinWidth(characters, Math.ceil((columns - 1) / 2));
  const end = withinWidth(characters.toReversed(), columns - 1 - displayWidth(start.join("")));
  return `${start.join("")}…${end.reverse().join("")}`;
}

/** The first characters, as many as fit. */
function withinWidth(characters: readonly string[], columns: number): string[] {
  let width = 0;
  const end = characters.findIndex((character) => {
    width += characterWidth(character);
    return width > columns;
  });
  return characters.slice(0, end < 0 ? undefined : end);
}

export function padded(text: string, columns: number, align: "left" | "right" = "left"): string {
  const blanks = " ".repeat(Math.max(0, columns - displayWidth(text)));
  return align === "right" ? blanks + text : text + blanks;
}
