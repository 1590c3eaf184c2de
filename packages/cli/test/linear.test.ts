/** Packed formats on the command line: convert, plan, inspect, verify, fake-quantize; and what needs no model: name, choose. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requant } from "./run.ts";

const hf = resolve(import.meta.dirname, "../../../fixtures/kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-linear-cli-"));
const gptq = join(folder, "kjv-gptq");

beforeAll(async () => {
  const result = await requant("convert", hf, gptq, "--to", "gptq:4bit-128g-sym");
  expect(result, result.err).toMatchObject({ status: 0 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("packed formats", () => {
  it("a round trip of targets keeps every value: GPTQ → AWQ → GGUF", async () => {
    const awq = join(folder, "kjv-awq");
    const gguf = join(folder, "kjv-auto.gguf");
    expect(await requant("convert", gptq, awq, "--to", "awq:gemm-128g", "--exact")).toMatchObject({
      status: 0,
    });
    expect(await requant("convert", awq, gguf, "--to", "gguf:auto", "--exact")).toMatchObject({ status: 0 });
    for (const other of [awq, gguf]) {
      const { status, out } = await requant("verify", gptq, other);
      expect(out).toMatch(/30 of 30 tensors equal. The models hold the same weights/);
      expect(status).toBe(0);
    }
  });

  it("inspect puts measured facts next to claimed ones", async () => {
    const { out } = await requant("inspect", gptq, "--json");
    const { measured, format } = JSON.parse(out) as {
      format: string;
      measured: { label: string; measured: unknown; claimed: unknown; agrees: boolean }[];
    };
    expect(format).toBe("gptq");
    expect(measured).toEqual(
      expect.arrayContaining([
        { label: "bits", measured: "4", claimed: "4", agrees: true },
        { label: "group size", measured: "128", claimed: "128", agrees: true },
        { label: "symmetric", measured: "true", claimed: "true", agrees: true },
        { label: "act-order", measured: "none", claimed: false, agrees: true },
        { label: "zero points and packing", measured: "v1", claimed: "v1", agrees: true },
      ]),
    );
    expect(await requant("inspect", gptq)).toMatchObject({
      status: 0,
      out: expect.stringMatching(/GPTQ-4bit-128g/),
    });
  });

  it("--exact exits 5 with the reason and leaves nothing", async () => {
    const out = join(folder, "no.gguf");
    const { status, err } = await requant("convert", gptq, out, "--to", "gguf:q4_k_m", "--exact", "--json");
    expect(status).toBe(5);
    const { error } = JSON.parse(err) as { error: { code: string; message: string; hint: string } };
    expect(error.code).toBe("CONVERSION");
    expect(error.message).toMatch(/groups of 128 columns are smaller than the 256 columns/);
    expect(error.hint).toMatch(/gguf:auto/);
    expect(existsSync(out)).toBe(false);
  });

  it("the report measures what was not exact, and a plan says why", async () => {
    const { out } = await requant(
      "convert",
      gptq,
      join(folder, "q4_k.gguf"),
      "--to",
      "gguf:q4_k_m",
      "--json",
    );
    const report = JSON.parse(out) as {
      tensors: { name: string; fidelity: string; rmse?: number; maxAbsError?: number; reason?: string }[];
      fidelity: Record<string, number>;
    };
    const found = report.tensors.find(({ name }) => name === "blk.0.ffn_up.weight");
    expect(found).toMatchObject({ fidelity: "requantized", reason: expect.stringMatching(/groups of 128/) });
    expect(found?.rmse).toBeGreaterThan(0);
    expect(found?.maxAbsError).toBeGreaterThan(found?.rmse ?? 0);
    const plan = await requant("plan", gptq, "--to", "gguf:q4_k_m");
    expect(plan.out.replace(/\s+/g, " ")).toMatch(
      /note: Every packed weight keeps its values as gguf:auto, .*safetensors:f32/,
    );
  });

  it("dump gives values of a packed weight", async () => {
    const { out, status } = await requant("dump", gptq, "model.layers.0.mlp.up_proj.weight", "--json");
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ shape: [512, 256], encoding: "GPTQ-4bit-128g", nans: 0 });
  });

  it("fake-quantize writes the same values as floats", async () => {
    const fake = join(folder, "fake");
    expect(await requant("fake-quantize", hf, fake, "--to", "gptq:4bit-128g-sym")).toMatchObject({
      status: 0,
    });
    expect(await requant("verify", gptq, fake)).toMatchObject({ status: 0 });
    expect(readdirSync(fake)).not.toContain("quantize_config.json");
    expect(JSON.parse(readFileSync(join(fake, "config.json"), "utf8"))["dtype"]).toBe("float32");
    expect(await requant("fake-quantize", hf, fake, "--to", "gguf:q8_0", "--dtype", "f64")).toMatchObject({
      status: 2,
    });
  });
});

describe("name", () => {
  it.each([
    [
      "Llama-3-70B-Instruct-4.65bpw-h6-exl2",
      { parameters: 70e9, bitsPerWeight: 4.65, target: "exl2:4.65bpw-h6" },
    ],
    [
      "TheBloke/Llama-2-13B-GPTQ-4bit-128g-actorder_True",
      { owner: "TheBloke", target: "gptq:4bit-128g-sym" },
    ],
    ["Mistral-7B-Instruct-v0.2-AWQ", { parameters: 7e9, target: "awq:gemm-128g", unknown: ["Mistral"] }],
    ["Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", { parameters: 8e9, target: "gguf:q4_k_m" }],
    ["mixtral-8x7b-v0.1.Q5_0.gguf", { parameters: 56e9, target: "gguf:q5_0" }],
    ["LLaMAfied-Qwen-7B", { parameters: 7e9, unknown: ["Qwen"] }],
  ])("%s", async (name, expected) => {
    const { status, out } = await requant("name", name, "--json");
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject(expected);
  });

  it("tells what the words mean", async () => {
    const { out } = await requant("name", "X-70B-GPTQ-4bit-128g-actorder_True-LLaMAfied");
    expect(out).toMatch(/actorder_True\s+act-order: columns were quantized in order of activation/);
    expect(out).toMatch(/LLaMAfied\s+weights of another architecture/);
    expect(await requant("name", "something")).toMatchObject({ status: 1 });
  });
});

describe("choose", () => {
  it("names what fits, with sizes and the sources of its figures", async () => {
    const { status, out } = await requant("choose", "--parameters", "8B", "--memory", "6GiB", "--json");
    expect(status).toBe(0);
    const { choices, sources } = JSON.parse(out) as {
      choices: { target: string; byteLength: number; figures: { source: string; increase: number }[] }[];
      sources: Record<string, { url: string }>;
    };
    expect(choices.every(({ byteLength }) => byteLength <= 6 * 2 ** 30)).toBe(true);
    const q4 = choices.find(({ target }) => target === "gguf:q4_k_m");
    // llama.cpp's own table says 4.58 GiB for 8.03B
    expect(Math.abs((q4?.byteLength ?? 0) / 2 ** 30 - 4.58)).toBeLessThan(0.05);
    expect(q4?.figures[0]).toMatchObject({ source: "llama.cpp-8B", increase: 0.1755 });
    for (const { figures } of choices)
      for (const { source } of figures) expect(sources[source]?.url).toMatch(/^https:/);
  });

  it("says when nothing fits, and refuses what is no size", async () => {
    expect(await requant("choose", "--parameters", "70B", "--memory", "8GiB")).toMatchObject({ status: 1 });
    expect(await requant("choose", "--parameters", "many")).toMatchObject({ status: 2 });
    expect(await requant("choose", "--parameters", "8B", "--memory", "much")).toMatchObject({ status: 2 });
  });
});
