/**
 * JSON text with the numbers as their author wrote them. Python tells 1.0 from 1: transformers refuses a configuration with
 * `"final_logit_softcapping": 30`, which its class declares as a float, and JSON.stringify writes 30.0 in this way.
 */

const QUOTE = '"';
const BACKSLASH = "\\";

/**
 * A changed value as JSON text. A number that is still where it was in the source's text, with the value it had, is spelled
 * as there.
 */
export function stringifyLike(sourceText: string, value: unknown, indent: string | number): string {
  const plain: unknown = JSON.parse(sourceText);
  const spelled: unknown = JSON.parse(withNumbersAsStrings(sourceText));
  const step = typeof indent === "number" ? " ".repeat(indent) : indent;
  return written(value, plain, spelled, step, "\n");
}

/** The same JSON with quotes around each number outside of strings. The text is valid JSON. */
function withNumbersAsStrings(text: string): string {
  const pieces: string[] = [];
  let copied = 0;
  for (let at = 0; at < text.length; ) {
    if (text[at] === QUOTE) at = stringEnd(text, at);
    else if (isNumberPart(text[at]) && text[at] !== "e" && text[at] !== "E") {
      const start = at;
      while (isNumberPart(text[at])) at++;
      pieces.push(text.slice(copied, start), QUOTE, text.slice(start, at), QUOTE);
      copied = at;
    } else at++;
  }
  pieces.push(text.slice(copied));
  return pieces.join("");
}

/** The place after a string's closing quote. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1;
  return at + 1;
}

function isNumberPart(mark: string | undefined): boolean {
  return mark !== undefined && "0123456789-+.eE".includes(mark);
}

/** `lineBreak` is a line break with the indentation of this value's own line. */
function written(value: unknown, plain: unknown, spelled: unknown, step: string, lineBreak: string): string {
  if (typeof value === "number" && Object.is(value, plain) && typeof spelled === "string") return spelled;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const inner = lineBreak + step;
  const own = (key: string | number): [unknown, unknown] => [member(plain, key), member(spelled, key)];
  const isList = Array.isArray(value);
  const items = isList
    ? value.map((item, index) => written(item, ...own(index), step, inner))
    : Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => `${JSON.stringify(key)}: ${written(item, ...own(key), step, inner)}`);
  const [open, close] = isList ? "[]" : "{}";
  if (items.length === 0) return `${open}${close}`;
  return `${open}${inner}${items.join(`,${inner}`)}${lineBreak}${close}`;
}

function member(holder: unknown, key: string | number): unknown {
  if (typeof holder !== "object" || holder === null || !Object.hasOwn(holder, key)) return undefined;
  return Reflect.get(holder, key);
}
