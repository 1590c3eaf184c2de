/**
 * A config.json that cannot be right is refused for every target. Oracle: the ranges in which transformers and llama.cpp
 * compute at all (an epsilon is added, a factor divides), and what `hfToGguf` refuses by its own tests.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { MemoryStore } from "@requant/core";
import { describe, expect, it } from "vitest";
import { openModel, parseTarget, planConversion } from "../../src/index.ts";
import { hfDirectory, readWeights, type Weights } from "../hf-directory.ts";

const folder = join(import.meta.dirname, "../../../../fixtures/abuse/model/float-valid");
const file = (name: string): string => readFileSync(join(folder, name), "utf8");
const sound = JSON.parse(file("config.json")) as Record<string, unknown>;
const stored = await readWeights(folder);

const targets = [
  "gguf:f16",
  "gguf:auto",
  "safetensors:f32",
  "gptq:4bit-32g-sym",
  "awq:gemm-32g",
  "exl2:5.0bpw-h6",
  "compressed-tensors:4bit-32g-sym",
];
const packedTargets = targets.filter((target) => !/^(gguf|safetensors):/.test(target));

/** `text` replaces a placeholder, for numbers that JSON.stringify does not write. */
function directory(changes: object, weights: Weights = stored, text = "0"): Promise<MemoryStore> {
  const config = JSON.stringify({ ...sound, ...changes }).replace('"@"', text);
  return hfDirectory(weights, {
    "config.json": config,
    "tokenizer.json": file("tokenizer.json"),
    "tokenizer_config.json": file("tokenizer_config.json"),
  });
}

async function plan(store: MemoryStore, target: string): ReturnType<typeof planConversion> {
  return planConversion(await openModel({ store }), parseTarget(target));
}

type Broken = readonly [what: string, changes: object, key: string, text?: string];

const broken: readonly Broken[] = [
  ["a base beyond all numbers", { rope_theta: "@" }, "rope_theta is Infinity", "1e400"],
  ["a base beyond 32-bit floats", { rope_theta: 1e39 }, "rope_theta is 1e+39"],
  ["a base of 0", { rope_theta: 0 }, "rope_theta is 0"],
  ["a negative epsilon", { rms_norm_eps: -1e-5 }, "rms_norm_eps is -0.00001"],
  ["an epsilon of 1e400", { rms_norm_eps: "@" }, "rms_norm_eps is Infinity", "1e400"],
  ["a rope type that nobody knows", { rope_scaling: { rope_type: "zzz", factor: 2 } }, 'rope_type is "zzz"'],
  ["an older spelling of it", { rope_scaling: { type: "zzz", factor: 2 } }, 'type is "zzz"'],
  ["a rope type that is a number", { rope_scaling: { rope_type: 4 } }, "rope_type is 4"],
  ["a factor of 0", { rope_scaling: { rope_type: "linear", factor: 0 } }, "factor is 0"],
  ["a negative factor", { rope_parameters: { rope_type: "yarn", factor: -2 } }, "factor is -2"],
  [
    "a factor of one type of attention",
    { rope_parameters: { full_attention: { rope_type: "linear", factor: 0 } } },
    "rope_parameters.full_attention.factor is 0",
  ],
  ["a list of factors", { rope_scaling: { type: "longrope", long_factor: [1, 0] } }, "long_factor is 0"],
  ["heads of no length", { head_dim: 0 }, "head_dim is 0"],
  ["no heads", { num_attention_heads: 0 }, "num_attention_heads is 0"],
  ["half a head", { num_attention_heads: 2.5 }, "num_attention_heads is 2.5"],
  ["an inner config", { text_config: { ...sound, head_dim: 0 } }, "text_config.head_dim is 0"],
  ["a share above 1", { partial_rotary_factor: 1.5 }, "partial_rotary_factor is 1.5"],
];

describe.each(broken.map(([what, changes, key, text]) => ({ what, changes, key, text })))("$what", (one) => {
  const { changes, key, text } = one;
  it.each(targets)("is refused for %s", async (target) => {
    await expect(plan(await directory(changes, stored, text), target)).rejects.toMatchObject({
      code: "FORMAT",
      path: "config.json",
      message: expect.stringContaining(key),
    });
  });
});

it.each(targets)("a sound one is taken for %s, and the copy takes any", async (target) => {
  expect((await plan(await directory({}), target)).tensors.length).toBeGreaterThan(0);
  expect((await plan(await directory({ head_dim: 0 }), "safetensors:copy")).tensors).toHaveLength(
    stored.size,
  );
});

describe("packed targets refuse what GGUF refuses, and float directories name it", () => {
  const without = (name: string): Weights => new Map([...stored].filter(([own]) => own !== name));
  const contradictions: readonly [string, object, Weights, RegExp][] = [
    ["a billion layers", { num_hidden_layers: 1e9 }, stored, /num_hidden_layers is 1000000000/],
    ["a layer that is not there", { num_hidden_layers: 2 }, stored, /layer 1 has no tensors/],
    ["another width", { hidden_size: 16 }, stored, /must be the embedding length, 16/],
    ["a text for a number", { hidden_size: "32" }, stored, /hidden_size.*must be a number/],
    ["a lost partner", {}, without("model.layers.0.mlp.up_proj.weight"), /no ffn_up/],
    ["a lost embedding", {}, without("model.embed_tokens.weight"), /embedding of the tokens is missing/],
  ];

  it.each(contradictions)(
    "%s: floats are converted, with a warning",
    async (_, changes, weights, message) => {
      const { findings, tensors } = await plan(await directory(changes, weights), "safetensors:f32");
      expect(tensors).toHaveLength(weights.size);
      expect(findings).toContainEqual(
        expect.objectContaining({
          code: "config-disagrees",
          severity: "warning",
          message: expect.stringMatching(message),
        }),
      );
    },
  );

  it("a sound one is converted without a warning", async () => {
    const { findings } = await plan(await directory({}), "safetensors:f32");
    expect(findings.filter(({ severity }) => severity === "warning")).toEqual([]);
  });

  it.each(contradictions)("%s", async (_, changes, weights, message) => {
    for (const target of ["gguf:f16", ...packedTargets]) {
      await expect(plan(await directory(changes, weights), target), target).rejects.toMatchObject({
        code: "FORMAT",
        message: expect.stringMatching(message),
      });
    }
  });

  it("names the tensor as the checkpoint does", async () => {
    const error = plan(await directory({ hidden_size: 16 }), "gptq:4bit-32g-sym");
    await expect(error).rejects.toMatchObject({ tensor: "lm_head.weight" });
  });
});

describe("a tensor of layer 1 in a 1-layer model", () => {
  const name = "model.layers.1.mlp.up_proj.weight";
  const extra = stored.get("model.layers.0.mlp.up_proj.weight");
  if (extra === undefined) throw new Error("the fixture has another layer");
  const weights: Weights = new Map([...stored, [name, extra]]);

  it("is refused for GGUF, as llama.cpp does not load such a file", async () => {
    await expect(plan(await directory({}, weights), "gguf:f16")).rejects.toMatchObject({
      code: "FORMAT",
      tensor: "blk.1.ffn_up.weight",
      message: "1 layers are stated, but there are tensors of layer 1.",
    });
  });

  it("is named by every other target", async () => {
    const { findings } = await plan(await directory({}, weights), "safetensors:f32");
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: "config-disagrees",
        tensor: name,
        message: expect.stringContaining("counts 1 layer;"),
      }),
    );
    await expect(plan(await directory({}, weights), "gptq:4bit-32g-sym")).rejects.toMatchObject({
      code: "FORMAT",
      tensor: name,
    });
  });

  it("is counted where the config says that it predicts tokens", async () => {
    // a layer with one of the two is named as incomplete
    const down = stored.get("model.layers.0.mlp.down_proj.weight");
    if (down === undefined) throw new Error("the fixture has another layer");
    const whole: Weights = new Map([...weights, ["model.layers.1.mlp.down_proj.weight", down]]);
    const store = await directory({ num_nextn_predict_layers: 1 }, whole);
    const { findings } = await plan(store, "safetensors:f32");
    expect(findings.filter(({ code }) => code === "config-disagrees")).toEqual([]);
  });
});
