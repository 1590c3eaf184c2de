/** Untrusted JSON: parsed without prototype pollution, limited in depth, read by typed accessors. */
import { FormatError, jsonFaultPlace } from "@requant/core";
import * as z from "zod/mini";

/** What JSON can hold. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

// tokenizer.json nests six deep, configs of multimodal models about five
const maxDepth = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** How deep brackets nest outside strings. All marks of JSON are single bytes of UTF-8, and no other character contains them. */
function depthOf(json: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  for (let index = 0; index < json.length; index++) {
    const code = json[index];
    if (code === QUOTE) {
      for (index++; index < json.length && json[index] !== QUOTE; index++) {
        if (json[index] === BACKSLASH) index++;
      }
    } else if (code === 0x5b || code === 0x7b) {
      depth++;
      if (depth > deepest) deepest = depth;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return deepest;
}

/** UTF-8 text of a side file; a leading byte order mark is dropped. @throws FormatError when it is not UTF-8. */
export function decodeText(bytes: Uint8Array | string, path: string): string {
  if (typeof bytes === "string") return bytes;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FormatError(`${path} is not UTF-8 text.`, { path, cause });
  }
}

const objectSchema = z.looseObject({});

/**
 * Python writes NaN and Infinity without quotes; no key that Requant reads has such a value. Replaces them by null of the
 * same length, so that the places of faults stay right.
 */
function withoutPythonNumbers(text: string): string {
  // a string without an end matches up to the end of the text: retrying at each quote would take quadratic time
  return text.replace(/"(?:[^"\\]|\\.)*(?:"|\\?$)|-?\b(?:NaN|Infinity)\b/gs, (match) =>
    match.startsWith('"') ? match : "null".padEnd(match.length),
  );
}

/**
 * A JSON object from a file. `__proto__` in it is a plain key: objects are only ever read through {@link field}.
 * @throws FormatError for anything that is not one JSON object, with the path.
 */
export function parseJsonObject(content: Uint8Array | string, path: string): JsonObject {
  const text = decodeText(content, path);
  if (text.startsWith("version https://git-lfs")) {
    throw new FormatError(`${path} is a Git LFS pointer, not the file itself.`, {
      path,
      hint: "Fetch the real file: git lfs pull.",
      reason: "lfs-pointer",
    });
  }
  const depth = depthOf(typeof content === "string" ? new TextEncoder().encode(content) : content);
  if (depth > maxDepth)
    throw new FormatError(`${path} nests ${depth} levels deep; at most ${maxDepth} are allowed.`, { path });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const patched = withoutPythonNumbers(text);
    try {
      value = JSON.parse(patched);
    } catch {
      // the engine's message would quote the file
      throw new FormatError(`${path} is not JSON: the first fault is at ${jsonFaultPlace(patched)}.`, {
        path,
      });
    }
  }
  const checked = objectSchema.safeParse(value);
  if (!checked.success || Array.isArray(value)) {
    throw new FormatError(`${path} must hold a JSON object.`, { path });
  }
  return value as JsonObject;
}

/** An own key of an object, never a key of its prototype. */
export function field(object: JsonObject | undefined, key: string): JsonValue | undefined {
  return object !== undefined && Object.hasOwn(object, key) ? object[key] : undefined;
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isJsonArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

export function objectField(object: JsonObject | undefined, key: string): JsonObject | undefined {
  const value = field(object, key);
  return isJsonObject(value) ? value : undefined;
}

export function arrayField(object: JsonObject | undefined, key: string): readonly JsonValue[] | undefined {
  const value = field(object, key);
  return isJsonArray(value) ? value : undefined;
}

export function textField(object: JsonObject | undefined, key: string): string | undefined {
  const value = field(object, key);
  return typeof value === "string" ? value : undefined;
}

export function numberField(object: JsonObject | undefined, key: string): number | undefined {
  const value = field(object, key);
  return typeof value === "number" ? value : undefined;
}

export function flagField(object: JsonObject | undefined, key: string): boolean | undefined {
  const value = field(object, key);
  return typeof value === "boolean" ? value : undefined;
}
