/** `metadata unset`, `list` and `get` as people type them: what stands on stdout and stderr, and the exit status. */
import { writeFileSync } from "node:fs";
import type { MetadataValue } from "@requant/core";
import { layoutGguf } from "@requant/gguf";
import { beforeEach, describe, expect, it } from "vitest";
import { tinyGguf, tinyMetadata } from "../../../fixtures/tiny-gguf.ts";
import { displayWidth } from "../src/render/width.ts";
import { file, folder, isUntouched, transcript } from "./metadata-transcript.ts";
import { requant } from "./run.ts";

describe("metadata unset", () => {
  it("removes several keys", async () => {
    expect(await transcript("unset", "general.name", "general.tags", "general.name")).toBe(
      `- general.name: string "Tiny"
- general.tags: array[string] of 1 ["chat"]
! changed: general.name, general.tags
`,
    );
  });

  it.each<[args: string[], transcript: string]>([
    [
      ["general.nam"],
      `! requant: The file has no key general.nam to unset.
!   Near are general.name.
status 2
`,
    ],
    [
      ["a", "general.name", "b"],
      `! requant: The file has none of these keys to unset: a, b.
!   List the keys that the file has.
status 2
`,
    ],
    [
      ["general.architecture"],
      `! requant: The file has no general.architecture, which llama.cpp needs.
!   Nothing is written. Change what is set or unset, or give --force to write it all the same.
status 2
`,
    ],
    [
      [],
      `! requant: Metadata unset needs at least one key.
status 2
`,
    ],
    [
      ["general.name", "--eos", "<s>"],
      `! requant: Metadata unset does not take --eos.
!   It goes with metadata set.
status 2
`,
    ],
  ])("refuses %j and leaves the file as it is", async (args, expected) => {
    expect(await transcript("unset", ...args)).toBe(expected);
    expect(isUntouched()).toBe(true);
  });

  it("--force removes also what readers need", async () => {
    const { status, err } = await requant("metadata", "unset", file, "general.architecture", "--force");
    expect({ status, err }).toEqual({
      status: 0,
      err: "warning: The file has no general.architecture, which llama.cpp needs.\nchanged: general.architecture\n",
    });
  });
});

describe("metadata list and get", () => {
  const odd = new Map<string, MetadataValue>([
    ...tinyMetadata,
    ["my.u64", { type: "u64", value: 9007199254740993n }],
    ["my.i64", { type: "i64", value: -5n }],
    ["my.bool", { type: "bool", value: true }],
    ["my.nan", { type: "f32", value: Number.NaN }],
    [
      "my.long",
      { type: "array", elementType: "i32", length: 300, value: Array.from({ length: 300 }, (_, i) => -i) },
    ],
  ]);
  const json = async (...argv: string[]): Promise<Record<string, unknown>> => {
    const parsed: unknown = JSON.parse((await requant(...argv, "--json")).out);
    const entries = Array.isArray(parsed) ? parsed : (parsed as { metadata: unknown[] }).metadata;
    return Object.fromEntries(entries.map(({ key, value }) => [key, value]));
  };
  beforeEach(() => writeFileSync(file, tinyGguf(odd)));

  it.each([
    ["metadata", "list", file],
    ["inspect", file, "--metadata"],
  ])("%s %s --json has numbers, booleans and arrays", async (...argv) => {
    expect(await json(...argv)).toMatchObject({
      "general.name": "Tiny",
      "llama.block_count": 1,
      "tokenizer.ggml.token_type": [2, 3, 3, 1, 1, 3, 1, 1],
      "my.u64": "9007199254740993",
      "my.i64": -5,
      "my.bool": true,
      "my.nan": "NaN",
      "my.long": { length: 300, first: [-0, -1, -2, -3, -4, -5, -6, -7].map((value) => value + 0) },
    });
  });

  it("get has arrays in full", async () => {
    const { "my.long": long } = await json("metadata", "get", file, "my.long");
    expect(long).toEqual(Array.from({ length: 300 }, (_, i) => 0 - i));
  });

  it("a key that is not there is named, those that are there are shown", async () => {
    expect(await transcript("get", "my.bool", "my.none")).toBe(
      "true\n! requant: The file has no key my.none. Did you mean my.nan or my.long? (FOLDER/m.gguf)\n!   Use metadata list to see all keys.\nstatus 1\n",
    );
  });

  it.each<[action: string, args: string[], message: string]>([
    ["list", ["general.name"], "Metadata list takes no keys, found general.name."],
    ["list", ["--dry-run"], "Metadata list does not take --dry-run."],
    ["get", ["x", "--force"], "Metadata get does not take --force."],
    ["show", [], "Metadata show: there is no such action."],
  ])("%s %j is refused", async (action, args, message) => {
    expect(await requant("metadata", action, file, ...args)).toMatchObject({
      status: 2,
      err: expect.stringContaining(message),
    });
  });

  it("one long key or value widens no line beyond three columns of a table", async () => {
    const metadata = new Map<string, MetadataValue>([
      ["漢".repeat(200_000), { type: "string", value: "字".repeat(500_000) }],
    ]);
    for (let i = 0; i < 3000; i++) metadata.set(`k${i}`, { type: "u32", value: i });
    writeFileSync(file, layoutGguf({ metadata, tensors: [] }).header);
    for (const argv of [
      ["metadata", "list", file],
      ["inspect", file, "--metadata"],
    ]) {
      const { status, out } = await requant(...argv);
      expect(status).toBe(0);
      const widths = out.split("\n").map(displayWidth);
      expect(widths.length).toBeGreaterThan(3000);
      expect(widths.filter((width) => width > 3 * 120 + 4)).toEqual([]);
    }
  });
});

describe("metadata --help", () => {
  it("says how values are written and what JSON has", async () => {
    const { status, out } = await requant("metadata", "--help");
    expect(status).toBe(0);
    for (const words of ["--eos <token>", "--dry-run", "--force", "@FILE", "2^53", '{"length", "first"}'])
      expect(out).toContain(words);
  });
});

it("a missing key is one line of JSON under --json, and a status of 1", async () => {
  const { status, out, err } = await requant(
    "metadata",
    "get",
    file,
    "my.none",
    "general.architecture",
    "--json",
  );
  expect(status).toBe(1);
  expect(JSON.parse(out)).toEqual([{ key: "general.architecture", type: "string", value: "llama" }]);
  expect(err.trimEnd().split("\n")).toHaveLength(1);
  expect(JSON.parse(err)).toEqual({
    error: {
      code: "NOT_FOUND",
      message: "The file has no key my.none.",
      hint: "Use metadata list to see all keys.",
      path: file,
    },
  });
});

it.each(["list", "get"])("metadata %s of a directory asks for a file", async (action) => {
  const { status, out, err } = await requant("metadata", action, folder, ...(action === "get" ? ["k"] : []));
  expect({ status, out }).toEqual({ status: 4, out: "" });
  expect(err).toBe(
    `requant: This is a directory, not a file. (${folder})\n  Give the path of a file in it.\n`,
  );
});
