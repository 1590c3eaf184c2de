/** What the command line says of a model's parts and of what a format cannot hold. Oracle: the names that were put in. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { requant } from "./run.ts";

const fixtures = resolve(import.meta.dirname, "../../../fixtures");
const hf = join(fixtures, "kjv/hf");
const folder = mkdtempSync(join(tmpdir(), "requant-cli-architectures-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A safetensors file with small tensors of zeros behind the stored ones. */
function addTensors(path: string, added: Readonly<Record<string, readonly number[]>>): void {
  const bytes = readFileSync(path);
  const headerEnd = 8 + Number(bytes.readBigUInt64LE(0));
  const header: Record<string, unknown> = JSON.parse(bytes.subarray(8, headerEnd).toString("utf8"));
  let end = bytes.length - headerEnd;
  for (const [name, shape] of Object.entries(added)) {
    const byteLength = 2 * shape.reduce((product, size) => product * size, 1);
    header[name] = { dtype: "BF16", shape, data_offsets: [end, end + byteLength] };
    end += byteLength;
  }
  const text = Buffer.from(JSON.stringify(header).padEnd(headerEnd + 1000));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const data = Buffer.alloc(end);
  bytes.copy(data, 0, headerEnd);
  writeFileSync(path, Buffer.concat([length, text, data]));
}

function variant(name: string, changes: object, added: Readonly<Record<string, readonly number[]>>): string {
  const path = join(folder, name);
  cpSync(hf, path, { recursive: true });
  const config: object = JSON.parse(readFileSync(join(hf, "config.json"), "utf8"));
  writeFileSync(join(path, "config.json"), JSON.stringify({ ...config, ...changes }));
  addTensors(join(path, "model.safetensors"), added);
  return path;
}

describe("parts that a text model's GGUF does not hold", () => {
  const parts = {
    "vision_tower.patch.weight": /vision encoder/,
    "multi_modal_projector.linear_1.weight": /vision encoder/,
    "audio_tower.conv1.weight": /audio encoder/,
    "model.layers.0.self_attn.rotary_emb.inv_freq": /computed from the metadata/,
  };
  const model = variant("parts", {}, Object.fromEntries(Object.keys(parts).map((name) => [name, [2, 2]])));

  it.each([
    ["plan", ["--to", "gguf:q8_0"]],
    ["convert", [join(folder, "parts.gguf"), "--to", "gguf:q8_0"]],
  ])("%s names each with its reason", async (command, words) => {
    const { status, out } = await requant(command, model, ...words);
    expect(status).toBe(0);
    for (const [name, reason] of Object.entries(parts)) {
      const line = out.split("\n").find((one) => one.trim().startsWith(`${name}:`));
      expect(line).toMatch(reason);
    }
    expect(out).toMatch(/^left out:$/m);
  });

  it("so does the JSON report", async () => {
    const { out } = await requant("plan", model, "--to", "gguf:q8_0", "--json");
    const report: { leftOut: { name: string; reason: string }[] } = JSON.parse(out);
    expect(report.leftOut.map(({ name }) => name).sort()).toEqual(Object.keys(parts).sort());
  });
});

describe("a class that no table has", () => {
  const model = variant("new", { architectures: ["NewForCausalLM"], model_type: "new" }, {});

  it("goes to GGUF with --like, and without it the error says so", async () => {
    const reference = join(folder, "reference.gguf");
    expect(await requant("convert", hf, reference, "--to", "gguf:bf16")).toMatchObject({ status: 0 });
    const refused = await requant("convert", model, join(folder, "new.gguf"), "--to", "gguf:bf16", "--json");
    expect(refused.status).toBe(5);
    expect(JSON.parse(refused.err)).toMatchObject({
      error: {
        code: "CONVERSION",
        message: expect.stringContaining("NewForCausalLM"),
        hint: expect.stringContaining("--like FILE"),
      },
    });
    const made = join(folder, "new.gguf");
    const converted = await requant("convert", model, made, "--to", "gguf:bf16", "--like", reference);
    expect(converted).toMatchObject({ status: 0 });
    expect(readFileSync(made).equals(readFileSync(reference))).toBe(true);
  });

  it("goes to GPTQ tensor by tensor", async () => {
    const made = join(folder, "new-gptq");
    expect(await requant("convert", model, made, "--to", "gptq:4bit-128g-sym")).toMatchObject({ status: 0 });
    expect(JSON.parse(readFileSync(join(made, "config.json"), "utf8"))).toMatchObject({
      architectures: ["NewForCausalLM"],
      quantization_config: { quant_method: "gptq" },
    });
  });
});

it("what a GGUF does not say is noted on the way back", async () => {
  const gguf = join(folder, "gemma.gguf");
  const source = join(fixtures, "arch/gemma-tiny");
  expect(await requant("convert", source, gguf, "--to", "gguf:bf16")).toMatchObject({ status: 0 });
  const { status, out } = await requant("plan", gguf, "--to", "safetensors:bf16");
  expect(status).toBe(0);
  expect(out).toMatch(/^note: Assumed config\.json rope_theta: the GGUF has no rope\.freq_base/m);
  expect(out).toMatch(/^note: Assumed config\.json hidden_act = "gelu_pytorch_tanh": not held by GGUF/m);
});
