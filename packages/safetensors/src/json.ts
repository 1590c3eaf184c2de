import { FormatError, jsonFaultPlace, LimitError } from "@requant/core";

/**
 * Untrusted JSON: refused when it nests deeper than `maxDepth`, before any object is built, or when it has a key twice,
 * which `JSON.parse` would hide (two readers could then see two different models in one file).
 * @throws FormatError, LimitError
 */
export function parseStrictJson(bytes: Uint8Array, what: string, path: string, maxDepth: number): unknown {
  const keyCounts = scan(bytes, what, path, maxDepth);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new FormatError(`${what} is not valid UTF-8.`, { path, cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // the engine's message would quote the file
    throw new FormatError(`${what} is not valid JSON: the first fault is at ${jsonFaultPlace(text)}.`, {
      path,
      hint: "The file is damaged.",
    });
  }
  if (keyCounts !== countKeys(value))
    throw new FormatError(`${what} has a key twice.`, { path, reason: "duplicate-name" });
  return value;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN = new Set([0x5b, 0x7b]);
const CLOSE = new Set([0x5d, 0x7d]);

/** Number of colons outside strings: of valid JSON, the number of keys as written. */
function scan(bytes: Uint8Array, what: string, path: string, maxDepth: number): number {
  let depth = 0;
  let colons = 0;
  let inString = false;
  for (let i = 0; i < bytes.byteLength; i++) {
    const byte = bytes[i] ?? 0;
    if (inString) {
      if (byte === BACKSLASH) i += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === COLON) colons += 1;
    else if (OPEN.has(byte)) {
      depth += 1;
      if (depth > maxDepth) {
        throw new LimitError(`${what} nests deeper than ${maxDepth} levels.`, { path, offset: i });
      }
    } else if (CLOSE.has(byte)) depth -= 1;
    else if (byte === 0) {
      // JSON has no NUL bytes, so a file that was not completely written is refused without parsing
      throw new FormatError(`${what} holds NUL bytes.`, {
        path,
        offset: i,
        hint: "Download the file again.",
        reason: "never-written",
      });
    }
  }
  return colons;
}

/** Number of keys after parsing: fewer than in the text where a key occurs twice. */
function countKeys(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const values: unknown[] = Object.values(value);
  const own = Array.isArray(value) ? 0 : values.length;
  return values.reduce<number>((count, inner) => count + countKeys(inner), own);
}

/** Order of Rust's `str` and Python's `str`: by code point, not by UTF-16 unit. */
export function compareText(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    // surrogates stand for code points above all other units
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
