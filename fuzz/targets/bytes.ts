/** Where seeds come from: files of the repository, and a few lines of text. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");

export function fileBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(join(root, path)));
}

/** The files of a folder whose names match, the small ones first, at most `count`. */
export function folderBytes(path: string, name: RegExp, count: number, maxByteLength: number): Uint8Array[] {
  return readdirSync(join(root, path))
    .filter((file) => name.test(file))
    .map((file) => fileBytes(join(path, file)))
    .filter((bytes) => bytes.length <= maxByteLength)
    .sort((a, b) => a.length - b.length)
    .slice(0, count);
}

export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function jsonBytes(value: unknown): Uint8Array {
  return textBytes(JSON.stringify(value));
}
