/** Text in columns of a terminal, where a Chinese character takes two and an accent none. */
import { bounded } from "@requant/core/text";
import stringWidth from "fast-string-width";

const ASCII = /^[ -~]*$/;

/** Columns of a terminal that a printable text takes. */
export function displayWidth(text: string): number {
  return ASCII.test(text) ? text.length : stringWidth(text);
}

/** Made when a text is first cut: making it takes longer than most commands need for all else that they print. */
let graphemes: Intl.Segmenter | undefined;

/** Printable text of at most `columns` columns of a terminal, the middle of a wider one replaced by an ellipsis. */
export function fitted(text: string, columns: number): string {
  // cut by characters first, which bounds the work, and then by width
  const short = bounded(text, columns);
  if (displayWidth(short) <= columns) return short;
  graphemes ??= new Intl.Segmenter();
  const parts = Array.from(graphemes.segment(short), ({ segment }) => segment);
  const start = withinWidth(parts, Math.ceil((columns - 1) / 2));
  const end = withinWidth(parts.toReversed(), columns - 1 - displayWidth(start.join("")));
  return `${start.join("")}…${end.reverse().join("")}`;
}

/** The first parts, as many as fit. */
function withinWidth(parts: readonly string[], columns: number): string[] {
  let width = 0;
  const end = parts.findIndex((part) => {
    width += displayWidth(part);
    return width > columns;
  });
  return parts.slice(0, end < 0 ? undefined : end);
}

/** The text with blanks up to a width. */
export function padded(text: string, columns: number, align: "left" | "right" = "left"): string {
  const blanks = " ".repeat(Math.max(0, columns - displayWidth(text)));
  return align === "right" ? blanks + text : text + blanks;
}

/** Lines of at most `columns` columns, divided at blanks alone: a longer word has a line of its own, whole. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && displayWidth(longer) > columns) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
