/**
 * The memory of a context in `requant choose`. Oracle: what llama.cpp reports as the size of its key-value cache for Llama 3 8B
 * and 32,768 tokens (4096 MiB as f16, 2176 MiB as q8_0, 1152 MiB as q4_0), and the numbers of each config.json, written out.
 */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { requant } from "./run.ts";

const fixtures = resolve(import.meta.dirname, "../../../fixtures");

const chosen = async (...argv: string[]): Promise<Record<string, unknown>> =>
  JSON.parse((await requant("choose", ...argv, "--json")).out);

describe("the context", () => {
  it.each([
    ["f16", 4096],
    ["q8_0", 2176],
    ["q4_0", 1152],
  ])("as %s takes what llama.cpp says for Llama 3 8B", async (kv, mebibytes) => {
    const { context } = await chosen("--parameters", "8.03B", "--context", "32k", "--kv", kv);
    expect(context).toMatchObject({ tokens: 32768, kv, cache: mebibytes * 2 ** 20, from: "estimate" });
  });

  it.each([
    // layers × key-value heads × (keys + values) × 2 bytes; llama.cpp keeps 1024 tokens for a context of 1000
    ["kjv/hf", 3 * 2 * (64 + 64) * 2, 1024 * 3 * 2 * (64 + 64) * 2],
    // of two layers, one has a window of 8 tokens: with a batch of 512 it keeps 768
    ["arch/gpt-oss-tiny", 1 * 2 * (32 + 32) * 2, (1024 + 768) * 2 * (32 + 32) * 2],
    ["arch/gemma-tiny", 2 * 1 * (24 + 24) * 2, 1024 * 2 * 1 * (24 + 24) * 2],
    // one latent vector of 24 and a rotary key of 16 for each layer
    ["arch/DeepSeek-V2-tiny-Chat", 2 * (24 + 16) * 2, 1024 * 2 * (24 + 16) * 2],
  ])("of %s is counted from its own settings", async (model, bytesPerToken, cache) => {
    const { context } = await chosen(resolve(fixtures, model), "--context", "1000");
    expect(context).toMatchObject({ bytesPerToken, cache, from: "model" });
  });

  // tiiuae/falcon-7b and falcon-40b, bigcode/starcoder: one head for all queries, or as many as num_kv_heads says
  it.each([
    [
      {
        architectures: ["FalconForCausalLM"],
        num_hidden_layers: 32,
        num_attention_heads: 71,
        hidden_size: 4544,
        num_kv_heads: 71,
        multi_query: true,
      },
      32 * 1 * (64 + 64) * 2,
    ],
    [
      {
        architectures: ["FalconForCausalLM"],
        num_hidden_layers: 60,
        num_attention_heads: 128,
        hidden_size: 8192,
        num_kv_heads: 8,
        multi_query: true,
        new_decoder_architecture: true,
      },
      60 * 8 * (64 + 64) * 2,
    ],
    [
      {
        architectures: ["GPTBigCodeForCausalLM"],
        n_layer: 40,
        n_head: 48,
        n_embd: 6144,
        multi_query: true,
      },
      40 * 1 * (128 + 128) * 2,
    ],
    // a class that is not known, with the usual keys
    [
      {
        architectures: ["UnheardOfForCausalLM"],
        num_hidden_layers: 7,
        num_attention_heads: 8,
        num_key_value_heads: 2,
        hidden_size: 512,
      },
      7 * 2 * (64 + 64) * 2,
    ],
  ])("of a model with shared heads is counted: %j", async (config, bytesPerToken) => {
    const folder = mkdtempSync(join(tmpdir(), "requant-choose-"));
    copyFileSync(resolve(fixtures, "kjv/hf/model.safetensors"), join(folder, "model.safetensors"));
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    const { context } = await chosen(folder, "--context", "1000");
    rmSync(folder, { recursive: true });
    expect(context).toMatchObject({ bytesPerToken, from: "model" });
  });

  it("counts against --memory", async () => {
    const fitting = async (...argv: string[]): Promise<string[]> => {
      const { choices } = await chosen("--parameters", "8.03B", "--memory", "6GiB", ...argv);
      return (choices as { target: string }[]).map(({ target }) => target);
    };
    expect(await fitting()).toContain("gguf:q4_k_m");
    // 4.58 GiB of weights and 4 GiB of context
    expect(await fitting("--context", "32k")).not.toContain("gguf:q4_k_m");
    expect(await fitting("--context", "32k", "--kv", "q4_0")).toContain("gguf:q4_k_m");
  });

  it("says where its number comes from", async () => {
    const estimate = (await requant("choose", "--parameters", "8B", "--context", "8k")).out;
    expect(estimate.replace(/\s+/g, " ")).toContain("131 kB a token as f16, estimated from the number of");
    const counted = (await requant("choose", resolve(fixtures, "kjv/hf"), "--context", "8k")).out;
    expect(counted.replace(/\s+/g, " ")).toContain("3 layers keep the whole context");
  });
});

describe("inspect --context", () => {
  const kjv = resolve(fixtures, "kjv/hf");
  // three layers of two key-value heads, 64 keys and 64 values, in blocks of 32 in 34 bytes; 1024 tokens in the vocabulary
  const cache = (8192 * 3 * 2 * (64 + 64) * 34) / 32;

  it("gives every buffer in JSON, and says whether all fits", async () => {
    const inspected = async (vram: string): Promise<unknown> => {
      const { out } = await requant(
        "inspect",
        kjv,
        "--context",
        "8k",
        "--kv",
        "q8_0",
        "--vram",
        vram,
        "--json",
      );
      return JSON.parse(out).memory;
    };
    const context = { tokens: 8192, kv: "q8_0", cache, state: 0, output: 4096, from: "model" };
    expect(await inspected("1GiB")).toMatchObject({ weights: 4_591_104, context, fits: true });
    expect(await inspected("5MiB")).toMatchObject({ limit: 5 * 2 ** 20, fits: false });
  });

  it("shows them as a list", async () => {
    const { out } = await requant("inspect", kjv, "--context", "8k", "--vram", "1MiB");
    expect(out.replace(/\s+/g, " ")).toContain(
      "context 8192 tokens, keys and values as f16: 3 layers keep the whole context",
    );
    expect(out).toMatch(/keys and values +12.6 MB/);
    expect(out).toMatch(/memory +does not fit into 1.05 MB/);
  });

  it.each([
    [["--vram", "8GiB"], /--context is not given/],
    [["--kv", "q8_0"], /--context is not given/],
    [["--context", "8k", "--kv", "q9_0"], /is not a type of a key-value cache/],
  ])("%j is refused", async (argv, message) => {
    const { status, err } = await requant("inspect", kjv, ...argv);
    expect(status).toBe(2);
    expect(err).toMatch(message);
  });
});

it("names the largest format that fits", async () => {
  const { out } = await requant("choose", "--parameters", "8.03B", "--context", "32k", "--vram", "12GiB");
  // 8.5 bits for each of 8.03 billion weights are 8,531,875,000 bytes, with 4,294,967,296 of keys and values on top
  expect(out.replace(/\s+/g, " ")).toContain("gguf:q8_0 is the largest that fits, and leaves 58.1 MB");
});

it.each([
  [["--parameters", "8B", "--memory", "8GiB", "--vram", "8GiB"], /--memory and --vram/],
  [[], /There is no model to choose for/],
  [[resolve(fixtures, "kjv/hf"), "--parameters", "8B"], /The model says how many parameters it has/],
  [["--parameters", "8B", "--kv", "q8_0"], /--context is not given/],
  [["--parameters", "8B", "--context", "32x"], /"32x" is not a number of tokens/],
  [["--parameters", "8B", "--context", "0"], /"0" is not a number of tokens/],
  [["--parameters", "8B", "--context", "9999999999"], /not a number of tokens/],
  [["--parameters", "8B", "--context", "8k", "--kv", "q8_1"], /Did you mean q8_0\?/],
])("choose %j is refused", async (argv, message) => {
  const { status, out, err } = await requant("choose", ...argv);
  expect({ status, out }).toEqual({ status: 2, out: "" });
  expect(err).toMatch(message);
});

it("a model that does not say how its context is stored is refused by name", async () => {
  const folder = mkdtempSync(join(tmpdir(), "requant-choose-"));
  const file = join(folder, "alone.safetensors");
  copyFileSync(resolve(fixtures, "kjv/hf/model.safetensors"), file);
  const { status, err } = await requant("choose", file, "--context", "8k");
  rmSync(folder, { recursive: true });
  expect(status).toBe(5);
  expect(err).toContain("does not say how many layers and key-value heads it has");
});
