/** A tiny GGUF that each test of a file finds fresh, and `metadata` commands on it as transcripts. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach } from "vitest";
import { tinyGguf } from "../../../fixtures/tiny-gguf.ts";
import { requant } from "./run.ts";

export const folder = mkdtempSync(join(tmpdir(), "requant-transcripts-"));
export const file = join(folder, "m.gguf");
const original = join(folder, "original");
writeFileSync(original, tinyGguf());

beforeEach(() => copyFileSync(original, file));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The transcript of one command line: stdout, lines of stderr marked, and the status where it is not 0. */
export async function transcript(action: string, ...args: string[]): Promise<string> {
  const { status, out, err } = await requant("metadata", action, file, ...args);
  const marked = err === "" ? "" : err.replace(/^/gm, "! ").replace(/! $/, "");
  return `${out}${marked}${status === 0 ? "" : `status ${status}\n`}`.replaceAll(folder, "FOLDER");
}

export const isUntouched = (): boolean => readFileSync(file).equals(readFileSync(original));
