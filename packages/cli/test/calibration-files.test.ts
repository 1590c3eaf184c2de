/** Files that are given to the wrong option, or are not there, are refused by `plan` as well. Oracle: the contract's exit status. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { requant } from "./run.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-calibration-files-"));
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  writeFileSync(at("matrix.gguf"), new Uint8Array([0x47, 0x47, 0x55, 0x46, 0xff, 0xfe]));
  writeFileSync(at("statistics.safetensors"), new Uint8Array(16));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each([
  ["a text that is not there", ["--calibrate", "none.txt"], 4, /the text cannot be read/],
  ["a matrix as a text", ["--calibrate", "matrix.gguf"], 2, /An importance matrix goes to --imatrix/],
  [
    "statistics as a matrix",
    ["--imatrix", "statistics.safetensors"],
    2,
    /statistics of a text go to --calibrate/,
  ],
])("%s", async (_, [option = "", name = ""], status, message) => {
  const found = await requant("plan", hf, "--to", "gptq:4bit-128g-sym", option, at(name));
  expect(found.err).toMatch(message);
  expect(found.status).toBe(status);
});
