/** What the two formats refuse, and in which words. */
import { type CodecError, isCodecError, UnsupportedError } from "@requant/core";
import type { LinearPart } from "@requant/core/format";
import { mxfp4Codec, mxfp4Format, nvfp4Codec, nvfp4Format, parseModelOptConfig } from "@requant/mxfp";
import { describe, expect, it } from "vitest";
import { isExcluded } from "../src/nvfp4-config.ts";

function refusal(work: () => unknown): CodecError {
  try {
    work();
  } catch (error) {
    if (isCodecError(error)) return error;
    throw error;
  }
  throw new Error("Nothing was refused.");
}

const nvfp4: readonly LinearPart[] = [
  { suffix: "weight", encoding: "U8", shape: [8, 16] },
  { suffix: "weight_scale", encoding: "F8_E4M3", shape: [8, 2] },
  { suffix: "weight_scale_2", encoding: "F32", shape: [] },
];

function changed(suffix: string, change: Partial<LinearPart>): LinearPart[] {
  return nvfp4.map((part) => (part.suffix === suffix ? { ...part, ...change } : part));
}

describe("parts of NVFP4", () => {
  it.each<[string, readonly LinearPart[], RegExp]>([
    ["other codes", changed("weight", { shape: [8, 8] }), /weight is \[8, 8\] .* \[8, 16\] was expected/],
    ["other rows", changed("weight_scale", { shape: [4, 2] }), /\[4, 16\] was expected/],
    ["no matrix", changed("weight", { shape: [128] }), /weight is U8 \[128\]; U8 \[n, n\] was expected/],
    ["two scales", changed("weight_scale_2", { shape: [2] }), /one F32 number was expected/],
    ["another scale", changed("weight_scale_2", { encoding: "F16" }), /weight_scale_2 is F16/],
  ])("%s", (_, parts, message) => {
    const error = refusal(() => nvfp4Codec.readLayout(parts, {}));
    expect(error.code).toBe("FORMAT");
    expect(error.message).toMatch(message);
  });

  it("a scale of the inputs: the stored weights are not the model's", () => {
    const parts = [...nvfp4, { suffix: "pre_quant_scale", encoding: "BF16", shape: [32] }];
    expect(refusal(() => nvfp4Codec.readLayout(parts, {}))).toBeInstanceOf(UnsupportedError);
    const tensors = parts.map((part) => ({
      ...part,
      name: `model.layers.0.mlp.up_proj.${part.suffix}`,
      byteOffset: 0,
      byteLength: 0,
    }));
    // the module is found, so the part is named where the model is opened
    expect(nvfp4Format.find(tensors, undefined).map(({ isWeight }) => isWeight)).toEqual([true]);
  });
});

describe("parts of MXFP4", () => {
  it.each<[string, readonly LinearPart[], RegExp]>([
    [
      "scales of another shape",
      [
        { suffix: "blocks", encoding: "U8", shape: [2, 4, 3, 16] },
        { suffix: "scales", encoding: "U8", shape: [2, 4, 2] },
      ],
      /blocks is \[2, 4, 3, 16\] .* \[2, 4, 2, 16\] was expected/,
    ],
    [
      "blocks of other lengths",
      [
        { suffix: "blocks", encoding: "U8", shape: [2, 4, 3, 8] },
        { suffix: "scales", encoding: "U8", shape: [2, 4, 3] },
      ],
      /\[2, 4, 3, 16\] was expected/,
    ],
    [
      "neither names nor encodings",
      [{ suffix: "weight", encoding: "F8_E4M3", shape: [2, 4] }],
      /The parts weight are no weight of MXFP4/,
    ],
  ])("%s", (_, parts, message) => {
    const error = refusal(() => mxfp4Codec.readLayout(parts, {}));
    expect(error.code).toBe("FORMAT");
    expect(error.message).toMatch(message);
  });

  it("blocks alone, and scales of another layout, are no weight", () => {
    const tensor = (name: string, shape: readonly number[]) => ({
      name,
      encoding: "U8",
      shape,
      byteOffset: 0,
      byteLength: 0,
    });
    const lone = [tensor("experts.up_blocks", [1, 2, 3, 16]), tensor("x.text_scales", [1, 2, 3])];
    expect(mxfp4Format.find(lone, undefined).map(({ isWeight }) => isWeight)).toEqual([false, false]);
  });
});

describe("ModelOpt's configuration", () => {
  it("is read from either file", () => {
    const inConfig = {
      quant_method: "modelopt",
      quant_algo: "NVFP4",
      config_groups: { group_0: { weights: { num_bits: 4, group_size: 16 } } },
      ignore: ["lm_head"],
    };
    const inFile = { quant_algo: "NVFP4", group_size: 16, exclude_modules: ["lm_head"] };
    const expected = { algorithm: "NVFP4", groupSize: 16, excluded: ["lm_head"], layers: new Map() };
    expect(parseModelOptConfig(inConfig)).toEqual(expected);
    expect(parseModelOptConfig(inFile)).toEqual(expected);
  });

  it("names the layers of a mixed model", () => {
    const layers = {
      "model.layers.0.mlp.up_proj": { quant_algo: "NVFP4" },
      "model.layers.0.mlp.down_proj": {},
    };
    expect(parseModelOptConfig({ quant_algo: "MIXED_PRECISION", quantized_layers: layers }).layers).toEqual(
      new Map([["model.layers.0.mlp.up_proj", "NVFP4"]]),
    );
  });

  it.each<[string, string, boolean]>([
    ["lm_head", "lm_head", true],
    ["lm_head", "model.lm_head", false],
    ["*lm_head*", "model.lm_head", true],
    ["model.layers.0.self_attn*", "model.layers.0.self_attn.q_proj", true],
    ["model.layers.0.self_attn", "model.layers.0.self_attn.q_proj", true],
    ["model.layers.*.mlp.gate", "model.layers.17.mlp.gate", true],
    ["model.layers.*.mlp.gate", "model.layers.17.mlp.gate_proj", false],
    ["*a*a", "a", false],
  ])("the pattern %s on %s: %s", (pattern, module, expected) => {
    expect(isExcluded([pattern], module)).toBe(expected);
  });

  it.each([[1], ["x"], [{ group_size: "16" }], [{ quantized_layers: [] }]])("%j is none", (json) => {
    expect(refusal(() => parseModelOptConfig(json)).code).toBe("FORMAT");
  });
});
