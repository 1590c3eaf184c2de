/**
 * Where a text stops being JSON. The engine's own messages quote the text, which may be a secret file (behind a link
 * named config.json); a line and column are as useful and quote nothing.
 */

export interface TextPlace {
  /** In UTF-16 units, from 0. */
  readonly offset: number;
  /** From 1, as editors count. */
  readonly line: number;
  readonly column: number;
}

/** The place of the first character that JSON does not allow; undefined for JSON. */
export function jsonFault(text: string): TextPlace | undefined {
  const offset = faultOffset(text);
  if (offset === undefined) return undefined;
  let line = 1;
  let lineStart = 0;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) {
    line += 1;
    lineStart = at + 1;
  }
  return { offset, line, column: offset - lineStart + 1 };
}

/** "line 3, column 7"; a general word where the text is valid JSON. */
export function jsonFaultPlace(text: string): string {
  const place = jsonFault(text);
  return place === undefined ? "an unknown place" : `line ${place.line}, column ${place.column}`;
}

// sticky: each pattern matches at one place only and never backtracks
const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON allows none in a string
const STRING_PART = /[^"\\\u0000-\u001f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

function endOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

/** The end of the string that begins at `at`, or the place where it stops being one. */
function readString(text: string, at: number): { end: number; ok: boolean } {
  let end = at + 1;
  for (let next = endOf(STRING_PART, text, end); next > end; next = endOf(STRING_PART, text, end)) end = next;
  return text[end] === '"' ? { end: end + 1, ok: true } : { end, ok: false };
}

function faultOffset(text: string): number | undefined {
  const closers: ("]" | "}")[] = [];
  let at = 0;
  let expects: "value" | "value or end" | "key" | "key or end" | "separator" = "value";
  for (;;) {
    at = endOf(SPACE, text, at);
    const character = text[at];
    const closer = closers.at(-1);
    if (expects === "separator" && closer === undefined) return character === undefined ? undefined : at;
    if (character === closer && (expects === "separator" || expects.endsWith("end"))) {
      closers.pop();
      at += 1;
      expects = "separator";
    } else if (expects === "separator") {
      if (character !== ",") return at;
      at += 1;
      expects = closer === "}" ? "key" : "value";
    } else if (expects.startsWith("key")) {
      if (character !== '"') return at;
      const key = readString(text, at);
      if (!key.ok) return key.end;
      at = endOf(SPACE, text, key.end);
      if (text[at] !== ":") return at;
      at += 1;
      expects = "value";
    } else if (character === "[" || character === "{") {
      closers.push(character === "[" ? "]" : "}");
      at += 1;
      expects = character === "[" ? "value or end" : "key or end";
    } else {
      const value = readScalar(text, at);
      if (!value.ok) return value.end;
      at = value.end;
      expects = "separator";
    }
  }
}

function readScalar(text: string, at: number): { end: number; ok: boolean } {
  if (text[at] === '"') return readString(text, at);
  const end = Math.max(endOf(NUMBER, text, at), endOf(WORD, text, at));
  return { end, ok: end > at };
}
