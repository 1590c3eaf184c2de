import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { printable } from "@requant/core/text";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { printableJson } from "../src/render/text.ts";
import { requant } from "./run.ts";

const fixtures = resolve(import.meta.dirname, "../../../fixtures/kjv");
const hf = join(fixtures, "hf");
const reference: { files: { target: string; imatrix: boolean; tensors: [string, string, string][] }[] } =
  JSON.parse(readFileSync(join(fixtures, "reference.json"), "utf8"));
const folder = mkdtempSync(join(tmpdir(), "requant-cli-"));
const bf16 = join(folder, "kjv-BF16.gguf");
const q8 = join(folder, "kjv-Q8_0.gguf");

function tensorsOf(target: string): Record<string, string> {
  const found = reference.files.find((file) => file.target === target && !file.imatrix);
  return Object.fromEntries(found?.tensors.map(([name, , sha256]) => [name, sha256]) ?? []);
}

beforeAll(async () => {
  for (const [path, target] of [
    [bf16, "gguf:bf16"],
    [q8, "GGUF:Q8_0"],
  ] as const) {
    const result = await requant("convert", hf, path, "--to", target);
    expect(result, result.err).toMatchObject({ status: 0 });
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("convert", () => {
  it.each([
    [bf16, "BF16"],
    [q8, "Q8_0"],
  ])("%s holds the tensors that llama.cpp makes", async (path, target) => {
    const { status, out } = await requant("hash", path, "--tensors", "--json");
    expect(status).toBe(0);
    const report: { tensors: { name: string; sha256: string }[] } = JSON.parse(out);
    expect(Object.fromEntries(report.tensors.map(({ name, sha256 }) => [name, sha256]))).toEqual(
      tensorsOf(target),
    );
  });

  it("--llamafy makes a Llama of a Mistral, and refuses a Gemma with its reason", async () => {
    const other = join(folder, "other");
    cpSync(hf, other, { recursive: true });
    const config: object = JSON.parse(readFileSync(join(hf, "config.json"), "utf8"));
    const write = (changes: object): void =>
      writeFileSync(join(other, "config.json"), JSON.stringify({ ...config, ...changes }));
    write({ architectures: ["MistralForCausalLM"], model_type: "mistral", sliding_window: null });
    const out = join(folder, "llamafied");
    expect(
      await requant("convert", other, out, "--to", "safetensors:bf16", "--llamafy", "--exact"),
    ).toMatchObject({ status: 0 });
    expect(JSON.parse(readFileSync(join(out, "config.json"), "utf8"))).toMatchObject({ model_type: "llama" });
    expect(await requant("verify", hf, out)).toMatchObject({ status: 0 });
    write({ architectures: ["Gemma2ForCausalLM"], model_type: "gemma2" });
    const refused = await requant("plan", other, "--to", "gguf:q8_0", "--llamafy");
    expect(refused).toMatchObject({ status: 5, err: expect.stringContaining("norms after each block") });
  });

  it("comes back unchanged", async () => {
    const back = join(folder, "back");
    expect(await requant("convert", bf16, back, "--to", "safetensors:bf16", "--exact")).toMatchObject({
      status: 0,
    });
    const verified = await requant("verify", hf, back, "--json");
    expect(verified.status).toBe(0);
    expect(JSON.parse(verified.out)).toMatchObject({ equal: true, onlyInA: [], onlyInB: [] });
  });

  it("prints the report that CLI.md describes", async () => {
    const { status, out } = await requant("plan", hf, "--to", "gguf:q8_0", "--json");
    expect(status).toBe(0);
    const plan = JSON.parse(out);
    expect(plan.fidelity).toEqual({ copy: 0, exact: 7, rounded: 0, requantized: 23, float: 0 });
    expect(plan.tensors[0]).toMatchObject({
      name: "output.weight",
      shape: [1024, 256],
      from: "BF16",
      to: "Q8_0",
      fidelity: "requantized",
    });
    expect(plan.byteLength).toBe(readFileSync(q8).length);
  });

  it("refuses --exact where values would change, and writes nothing", async () => {
    const path = join(folder, "exact.gguf");
    const result = await requant("convert", hf, path, "--to", "gguf:q4_0", "--exact", "--json");
    expect(result.status).toBe(5);
    expect(JSON.parse(result.err)).toMatchObject({ error: { code: "CONVERSION" } });
    expect(existsSync(path)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes("exact"))).toEqual([]);
  });

  it("does not replace a file without --overwrite", async () => {
    const before = readFileSync(q8);
    expect(await requant("convert", hf, q8, "--to", "gguf:q4_0")).toMatchObject({ status: 4 });
    expect(readFileSync(q8).equals(before)).toBe(true);
  });

  it("refuses to write into its source", async () => {
    const copy = join(folder, "source");
    cpSync(hf, copy, { recursive: true });
    const before = readdirSync(copy);
    expect((await requant("convert", copy, copy, "--to", "safetensors:f16", "--overwrite")).status).not.toBe(
      0,
    );
    expect(readdirSync(copy)).toEqual(before);
  });
});

describe("verify", () => {
  it("says 1 and what differs", async () => {
    const { status, out } = await requant("verify", hf, q8, "--json");
    expect(status).toBe(1);
    const report: { tensors: { name: string; equal: boolean; sqnr: number }[] } = JSON.parse(out);
    const down = report.tensors.find(({ name }) => name === "blk.0.ffn_down.weight");
    expect(down).toMatchObject({ equal: false });
    expect(down?.sqnr).toBeGreaterThan(35);
  });

  it("says 0 within a tolerance", async () => {
    expect(await requant("verify", hf, q8, "--tolerance", "0.02")).toMatchObject({ status: 0 });
  });
});

describe("inspect", () => {
  it("tells what is in a directory and in a GGUF", async () => {
    const directory = JSON.parse((await requant("inspect", hf, "--json")).out);
    const file = JSON.parse((await requant("inspect", bf16, "--json", "--metadata")).out);
    expect(directory).toMatchObject({ format: "safetensors", parameterCount: 2_295_552 });
    expect(file).toMatchObject({ format: "gguf", architecture: "llama", parameterCount: 2_295_552 });
    expect(file.metadata.find((entry: { key: string }) => entry.key === "general.file_type")).toMatchObject({
      type: "u32",
    });
  });

  it("prints a page for people", async () => {
    const { status, out } = await requant("inspect", q8, "--tensors");
    expect(status).toBe(0);
    expect(out).toContain("blk.2.ffn_up.weight");
    expect(out).toMatch(/bits per weight\s+8\.5/);
  });
});

describe("metadata", () => {
  it("sets, gets and unsets, leaving the tensors alone", async () => {
    const path = join(folder, "edited.gguf");
    cpSync(q8, path);
    expect(await requant("metadata", "set", path, "general.name=string:Job", "x.n=u32:7")).toMatchObject({
      status: 0,
    });
    expect(await requant("metadata", "get", path, "general.name", "x.n")).toMatchObject({
      status: 0,
      out: "Job\n7\n",
    });
    expect(await requant("metadata", "unset", path, "x.n")).toMatchObject({ status: 0 });
    expect(await requant("metadata", "get", path, "x.n")).toMatchObject({ status: 1 });
    expect(await requant("verify", q8, path)).toMatchObject({ status: 0 });
  });
});

describe("dump", () => {
  it("writes the values as a NumPy array", async () => {
    const path = join(folder, "norm.npy");
    expect(await requant("dump", bf16, "output_norm.weight", "--out", path)).toMatchObject({ status: 0 });
    const bytes = readFileSync(path);
    const headerLength = bytes.readUInt16LE(8);
    const header = bytes.subarray(10, 10 + headerLength).toString("latin1");
    expect(bytes.subarray(0, 8)).toEqual(Buffer.from("\x93NUMPY\x01\x00", "latin1"));
    expect(header).toContain("'descr': '<f4'");
    expect(header).toContain("'shape': (256,)");
    // llama.cpp's converter stores this norm as F32: its hash in the reference is of exactly these bytes
    const sha256 = createHash("sha256")
      .update(bytes.subarray(10 + headerLength))
      .digest("hex");
    expect(sha256).toBe(tensorsOf("BF16")["output_norm.weight"]);
  });

  it("shows statistics", async () => {
    const { status, out } = await requant("dump", q8, "blk.0.attn_q.weight", "--rows", "0:16", "--json");
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ count: 16 * 256, nans: 0, encoding: "Q8_0" });
  });
});

describe("wrong use and bad input", () => {
  it.each([
    [[], 2],
    [["frobnicate"], 2],
    [["convert", hf], 2],
    [["convert", hf, "x", "--to", "gguf:q9_9"], 2],
    [["convert", hf, "x"], 2],
    [["inspect", "does-not-exist"], 4],
    [["dump", q8, "no.such.tensor"], 3],
  ])("%j exits %i with one message and no stack trace", async (argv, status) => {
    const result = await requant(...argv);
    expect(result.status).toBe(status);
    expect(result.err).toMatch(/^requant: ./);
    expect(result.err).not.toMatch(/\n\s+at /);
  });

  it.each([
    ["calibrate", hf, "--text", "builtin", "-o", "s3://bucket/x.safetensors"],
    ["calibrate", hf, "--text", "builtin", "-o", "hf:me/x.safetensors", "--plan-out", "no.json"],
    ["imatrix", hf, "--text", "builtin", "-o", "https://example.org/x.gguf"],
    ["imatrix", "--merge", "a.dat", "-o", "ollama:x.gguf"],
    ["dump", q8, "output_norm.weight", "--out", "s3://bucket/x.npy"],
    ["doctor", q8, "--report", "s3://bucket/report.json"],
  ])("an address is refused where a file of this machine is written: %j", async (...argv) => {
    const places = ["s3:", "hf:me", "https:", "ollama:x.gguf", "no.json"];
    expect(await requant(...argv)).toMatchObject({
      status: 2,
      err: expect.stringContaining("copy the file to the address when it is made"),
    });
    expect(places.filter((place) => existsSync(place))).toEqual([]);
  });

  it("refuses a truncated file as FORMAT", async () => {
    const path = join(folder, "cut.gguf");
    cpSync(q8, path);
    truncateSync(path, 1_000_000);
    const result = await requant("inspect", path, "--json");
    expect(result.status).toBe(3);
    expect(JSON.parse(result.err)).toMatchObject({ error: { code: "FORMAT" } });
  });

  it("does not let a file steer the terminal", async () => {
    const path = join(folder, "steer.gguf");
    cpSync(q8, path);
    expect(await requant("metadata", "set", path, "general.name=string:\u001b[2Jgone")).toMatchObject({
      status: 0,
    });
    const { out } = await requant("inspect", path, "--metadata");
    expect(out).not.toContain("\u001b[2J");
    expect(out).toContain("\\u{1b}[2Jgone");
  });

  it.each([
    ["tag characters, which nobody sees", "a\u{e0041}\u{e0042}b", "a\\u{e0041}\\u{e0042}b"],
    ["half a character", "a\ud800b", "a\\u{d800}b"],
    ["a soft hyphen and an annotation", "a\u00adb\ufff9c", "a\\u{ad}b\\u{fff9}c"],
    ["a turned text", "a\u202eb", "a\\u{202e}b"],
  ])("shows %s", (_what, text, shown) => {
    expect(printable(text)).toBe(shown);
    const json = printableJson(JSON.stringify(text));
    expect(json).toMatch(/^[\x20-\x7e]*$/);
    expect(JSON.parse(json)).toBe(text);
  });

  it("answers --help and --version with 0", async () => {
    expect(await requant("--help")).toMatchObject({ status: 0 });
    expect(await requant("convert", "--help")).toMatchObject({ status: 0 });
    expect((await requant("--version")).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it("gives one JSON line on stderr under --json", async () => {
    writeFileSync(join(folder, "page.gguf"), "<!doctype html><title>404</title>");
    const result = await requant("inspect", join(folder, "page.gguf"), "--json");
    expect(result.status).toBe(3);
    expect(result.out).toBe("");
    const { error } = JSON.parse(result.err);
    expect(error.code).toBe("FORMAT");
    expect(typeof error.message).toBe("string");
  });
});
