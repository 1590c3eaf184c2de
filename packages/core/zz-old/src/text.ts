/** Untrusted text in messages: escaped, so that it cannot control a terminal, and shortened, so that it cannot fill one. */

export { didYouMean, nearest } from "./nearest.ts";

/** Longest text from a file inside a message, in characters: the middle of a longer one is left out. */
export const LONGEST_QUOTE = 200;
/** Longest message or hint, in characters. */
export const LONGEST_MESSAGE = 2000;
/** Of a longer text only the two ends are read. */
const LONGEST_READ = 4_000_000;

// Names come from untrusted files; characters that control a terminal, change the reading direction or are not seen
// (zero-width ones, tag characters, halves of characters) show as escapes.
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

/** The text with control, bidirectional and invisible characters written as `\u{…}`, or as `written` returns them. */
export function printable(
  text: string,
  written: (mark: string) => string = (mark) => `\\u{${mark.codePointAt(0)?.toString(16)}}`,
): string {
  return text.replace(UNSAFE, written);
}

/** Printable text of at most `most` characters, the middle of a longer one replaced by an ellipsis. */
export function bounded(text: string, most: number = LONGEST_QUOTE): string {
  // escapes only make a text longer, so the characters that are cut here would also be cut below
  const ends = text.length > 2 * most ? text.slice(0, most) + text.slice(-most) : text;
  return cutMiddle(printable(ends), most);
}

/** A value of a file as JSON, printable and bounded: what messages say was found. */
export function quoted(value: unknown, most: number = LONGEST_QUOTE): string {
  // a long text need not become JSON as a whole to be cut
  const short = typeof value === "string" && value.length > 2 * most ? cutMiddle(value, 2 * most) : value;
  return bounded(JSON.stringify(short) ?? String(value), most);
}

/** A whole message, or hint: each word is bounded as a quote is, and all together as a message. */
export function boundedMessage(text: string): string {
  if (text.length <= LONGEST_QUOTE) return printable(text);
  const words = cutMiddle(text, LONGEST_READ).split(" ");
  return bounded(words.map((word) => bounded(word)).join(" "), LONGEST_MESSAGE);
}

/** The text without the characters of `trailing` that it ends with. */
export function withoutTrailing(text: string, trailing: string): string {
  let end = text.length;
  while (end > 0 && trailing.includes(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

function cutMiddle(text: string, most: number): string {
  if (text.length <= most) return text;
  const headLength = Math.ceil((most - 1) / 2);
  let head = text.slice(0, headLength);
  let tail = text.slice(text.length - (most - 1 - headLength));
  // half a character at the cut is none
  if (isHighSurrogate(head.charCodeAt(head.length - 1))) head = head.slice(0, -1);
  if (isLowSurrogate(tail.charCodeAt(0))) tail = tail.slice(1);
  return `${head}…${tail}`;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}
