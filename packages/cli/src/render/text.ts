// Names come out of files made by strangers; the marks that steer a terminal, turn the reading direction or
// are not seen (zero-width ones, tag characters, halves of characters) show as escapes.
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

/** The text with control, bidirectional and invisible characters written as `\u{…}`. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (mark) => `\\u{${mark.codePointAt(0)?.toString(16)}}`);
}

/** JSON text stays the same document; the marks in its strings become JSON's own escapes. */
export function printableJson(json: string): string {
  return json.replace(UNSAFE, (mark) =>
    // JSON's escapes are of 16 bits
    Array.from({ length: mark.length }, (_, i) => mark.charCodeAt(i))
      .map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

/** As `printable`, but lines stay lines: for help and long messages. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

/** At most `width` characters, the middle replaced by an ellipsis. */
export function shorten(text: string, width: number): string {
  if (text.length <= width) return text;
  const head = Math.ceil((width - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (width - 1 - head))}`;
}
