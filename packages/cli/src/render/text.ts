// Names come out of files made by strangers; the marks that steer a terminal, or turn the reading direction, show as escapes.
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** The text with control, bidirectional and zero-width characters written as `\u{…}`. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (mark) => `\\u{${mark.charCodeAt(0).toString(16)}}`);
}

/** JSON text stays the same document; the marks in its strings become JSON's own escapes. */
export function printableJson(json: string): string {
  return json.replace(UNSAFE, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);
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
