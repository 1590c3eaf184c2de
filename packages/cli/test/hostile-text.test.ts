/** What files say, on a terminal and in error documents: bounded, escaped, and never from outside the model's folder. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { MetadataValue } from "@requant/core";
import { layoutGguf } from "@requant/gguf";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { table } from "../src/render/table.ts";
import { displayWidth, fitted } from "../src/render/width.ts";
import { colorsFor } from "../src/streams.ts";
import { requant } from "./run.ts";

const plain = { colors: colorsFor({ isTTY: false }) };

const model = resolve(import.meta.dirname, "../../../fixtures/abuse/model/float-valid");
const folder = mkdtempSync(join(tmpdir(), "requant-text-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Longest line that any text output may have: three cells of a table and the blanks between. */
const LONGEST_LINE = 3 * 120 + 4;
const longest = (text: string): number =>
  text.split("\n").reduce((most, line) => Math.max(most, line.length), 0);

describe("tables", () => {
  it("keep every column at most 120 wide, whatever is in the cells", () => {
    const text = fc.array(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.constantFrom("漢字", "😀", "é\u0301", "\u001b[2J", "a".repeat(500)),
      ),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(
        fc.array(
          text.map((parts) => parts.join("")),
          { minLength: 1, maxLength: 6 },
        ),
        (cells) => {
          const lines = table(
            [{ title: "a" }, { title: "b" }],
            cells.map((cell) => [cell, "|"]),
            { ...plain, width: 1000 },
          ).split("\n");
          expect(lines).toHaveLength(cells.length + 1);
          const columns = lines.slice(1).map((line) => displayWidth(line.slice(0, line.lastIndexOf("|"))));
          expect(new Set(columns).size).toBe(1);
          expect(columns[0]).toBeLessThanOrEqual(122);
        },
      ),
    );
  });

  it("fit the terminal, whatever is in the cells, and lose no short one", () => {
    const text = fc.array(
      fc.oneof(fc.constantFrom("漢字", "😀", "e\u0301", "word", " ", "a".repeat(50)), fc.string()),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            text.map((parts) => parts.join("")),
            fc.constantFrom("1", "12.5 MB"),
          ),
          { minLength: 1, maxLength: 6 },
        ),
        fc.integer({ min: 40, max: 120 }),
        (rows, width) => {
          const lines = table([{ title: "name" }, { title: "size", align: "right" }], rows, {
            ...plain,
            width,
          }).split("\n");
          for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(width);
          for (const [, size] of rows) expect(lines.some((line) => line.endsWith(size))).toBe(true);
        },
      ),
    );
  });

  it("divide prose at its blanks alone", () => {
    const words = ["several", "words", "of", "different", "lengths", "that", "stay", "whole"];
    const lines = table([{ title: "word" }, { title: "says", wrap: true }], [["漢字", words.join(" ")]], {
      ...plain,
      width: 40,
    }).split("\n");
    expect(lines).toEqual([
      "word  says",
      "漢字  several words of different lengths",
      "      that stay whole",
    ]);
  });

  it.each([
    ["abc", 3],
    ["漢字", 4],
    ["e\u0301", 1],
    ["😀", 2],
    ["ﾊﾝ", 2],
    ["👩‍👩‍👧", 2],
    ["한국어", 6],
  ])("%s takes %d columns", (text, columns) => {
    expect(displayWidth(text)).toBe(columns);
  });

  it.each([
    ["漢字漢字漢字", 7, "漢…漢字"],
    ["abcdefghij", 5, "ab…ij"],
    ["short", 5, "short"],
  ])("%s in %d columns is %s", (text, columns, shown) => {
    expect(fitted(text, columns)).toBe(shown);
    expect(displayWidth(shown)).toBeLessThanOrEqual(columns);
  });
});

describe("a GGUF with one key of 500 kB among 3000", () => {
  const path = join(folder, "keys.gguf");
  const long = "k".repeat(500_000);
  beforeAll(() => {
    const metadata = new Map<string, MetadataValue>([[long, { type: "u32", value: 1 }]]);
    for (let i = 0; i < 3000; i++) metadata.set(`key.${i}`, { type: "u32", value: i });
    const { header } = layoutGguf({ metadata, tensors: [] });
    writeFileSync(path, header);
  });

  it("lists them in lines that fit, the long one on a line of its own", async () => {
    const { status, out } = await requant("metadata", "list", path);
    expect({ status, lines: out.split("\n").length }).toEqual({ status: 0, lines: 3004 });
    expect(longest(out)).toBeLessThanOrEqual(LONGEST_LINE);
  });
});

describe.skipIf(process.platform === "win32")("links out of the model's folder", () => {
  const SECRET = "root:x:0:0:the secret";
  const linked = (name: string): string => {
    const place = mkdtempSync(join(folder, "model-"));
    writeFileSync(join(place, "secret"), SECRET);
    cpSync(model, join(place, "model"), { recursive: true });
    rmSync(join(place, "model", name), { force: true });
    symlinkSync("../secret", join(place, "model", name));
    return join(place, "model");
  };

  it.each([
    "chat_template.jinja",
    "LICENSE",
    "README.md",
    "generation_config.json",
    "config.json",
    "tokenizer.json",
  ])("%s: convert stops, names it, quotes nothing and writes nothing", async (name) => {
    const place = linked(name);
    const output = join(place, "../out");
    for (const target of ["gguf:f16", "safetensors:f16"]) {
      const { status, err } = await requant("convert", place, output, "--to", target, "--json");
      expect({ status, ...JSON.parse(err).error }).toMatchObject({
        status: 3,
        code: "FORMAT",
        reason: "link-outside",
        path: join(place, name),
      });
      expect(err).not.toContain("root:x");
      expect(existsSync(output)).toBe(false);
    }
  });

  it.each([["inspect"], ["hash"], ["verify"]])("config.json: %s stops as well", async (command) => {
    const place = linked("config.json");
    const { status, err } = await requant(command, place, ...(command === "verify" ? [model] : []));
    expect(status).toBe(3);
    expect(err).toContain("leads out of the model's folder");
  });

  it("a link that the command line names is followed", async () => {
    const link = join(folder, "link.safetensors");
    symlinkSync(join(model, "model.safetensors"), link);
    expect(await requant("inspect", link)).toMatchObject({ status: 0 });
    mkdirSync(join(folder, "elsewhere"));
    symlinkSync(model, join(folder, "elsewhere/model"));
    expect(await requant("inspect", join(folder, "elsewhere/model"))).toMatchObject({ status: 0 });
  });

  it("a file that is no JSON is not quoted: its first fault has a place", async () => {
    const place = join(folder, "no-json");
    cpSync(model, place, { recursive: true });
    for (const name of ["config.json", "tokenizer.json", "generation_config.json"]) {
      const before = readFileSync(join(model, existsSync(join(model, name)) ? name : "config.json"));
      writeFileSync(join(place, name), SECRET);
      const { status, err } = await requant(
        "convert",
        place,
        join(folder, "x.gguf"),
        "--to",
        "gguf:f16",
        "--debug",
      );
      expect({ name, status }).toEqual({ name, status: 3 });
      expect(err).toContain("line 1, column 1");
      expect(err).not.toContain("root:x");
      writeFileSync(join(place, name), before);
    }
  });
});

describe("secrets of addresses", () => {
  it.each([
    "https://user:hunter2@ho st/m.gguf?X-Amz-Signature=hunter2",
    "https://[x/m.gguf?token=hunter2",
    "https://user:hunter2@host:99999/m.gguf",
    "https://user:hunter2@127.0.0.1:1/m.gguf?X-Amz-Signature=hunter2",
    "ftp://user:hunter2@host/m.gguf?token=hunter2",
    "file:///models/m.gguf?token=hunter2",
    "hf:owner/repo?token=hunter2",
    "hf:owner/repo@main/m.gguf?token=hunter2",
    "hf:user:hunter2@owner",
    "s3://user:hunter2@bucket/m.gguf?X-Amz-Signature=hunter2",
  ])("%s is refused without them, by every command and in JSON", async (address) => {
    for (const argv of [
      ["inspect", address, "--debug"],
      ["doctor", address, "--json"],
      ["verify", address, address],
      ["hash", address],
      ["dump", address, "a"],
      ["plan", address, "--to", "gguf:f16", "--json"],
    ]) {
      const { status, out, err } = await requant(...argv);
      expect(status, argv.join(" ")).toBe(2);
      expect(`${out}${err}`).not.toContain("hunter2");
    }
  });

  it.each(["HF_ENDPOINT", "AWS_ENDPOINT_URL_S3"])(
    "%s with a password is refused without it",
    async (name) => {
      const before = process.env[name];
      for (const value of ["http://user:hunter2@[x", "http://user:hunter2@127.0.0.1:1"]) {
        process.env[name] = value;
        for (const address of ["hf:owner/repo", "s3://bucket/m.gguf"]) {
          if (address.startsWith("hf:") !== (name === "HF_ENDPOINT")) continue;
          const { status, err } = await requant("inspect", address, "--debug");
          expect(status).toBe(2);
          expect(err).not.toContain("hunter2");
        }
      }
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    },
  );
});
