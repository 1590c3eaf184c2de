import {
  type CompressedTensorsConfig,
  parseCompressedTensorsConfig,
  serializeCompressedTensorsConfig,
} from "@requant/compressed-tensors";
import { FormatError, UnsupportedError } from "@requant/core";
import { describe, expect, test } from "vitest";

/** The block that llm-compressor 0.14 writes for W4A16 with groups of 128 (golden set, neighbours/models/ct-mixed-int). */
const w4a16 = {
  config_groups: {
    group_0: {
      format: "pack-quantized",
      input_activations: null,
      output_activations: null,
      targets: ["Linear"],
      weights: {
        actorder: null,
        block_structure: null,
        dynamic: false,
        group_size: 128,
        num_bits: 4,
        observer: "memoryless_minmax",
        observer_kwargs: {},
        scale_dtype: null,
        strategy: "group",
        symmetric: true,
        type: "int",
        zp_dtype: null,
      },
    },
  },
  format: "pack-quantized",
  global_compression_ratio: null,
  ignore: ["lm_head"],
  kv_cache_scheme: null,
  quant_method: "compressed-tensors",
  quantization_status: "compressed",
  sparsity_config: {},
  transform_config: {},
  version: "0.19.0",
};
const parsed: CompressedTensorsConfig = {
  groups: [
    {
      targets: ["Linear"],
      format: "pack-quantized",
      type: "int",
      bits: 4,
      strategy: "group",
      groupSize: 128,
      symmetric: true,
      actorder: undefined,
    },
  ],
  ignore: ["lm_head"],
  version: "0.19.0",
};

function withWeights(changes: object): object {
  const { group_0 } = w4a16.config_groups;
  return {
    ...w4a16,
    config_groups: { group_0: { ...group_0, weights: { ...group_0.weights, ...changes } } },
  };
}

describe("configuration", () => {
  test("reads and writes the block of llm-compressor", () => {
    expect(parseCompressedTensorsConfig(w4a16)).toEqual(parsed);
    expect(serializeCompressedTensorsConfig(parsed)).toEqual(w4a16);
  });

  test.each(["quantization_config", "compression_config"])("under %s of config.json", (key) => {
    expect(parseCompressedTensorsConfig({ model_type: "llama", [key]: w4a16 })).toEqual(parsed);
  });

  test.each<[object, object]>([
    [
      { group_size: null, strategy: "channel" },
      { groupSize: -1, strategy: "channel" },
    ],
    [
      { group_size: null, strategy: "tensor" },
      { groupSize: -1, strategy: "tensor" },
    ],
    [{ group_size: null, strategy: "block", block_structure: [128, 64] }, { block: [128, 64] }],
    [{ group_size: null, strategy: "block", block_structure: "128x128" }, { block: [128, 128] }],
    [{ group_size: null, strategy: null, block_structure: [2, 2] }, { strategy: "block" }],
    [{ num_bits: 1 }, { bits: 1 }],
    [
      { type: "float", num_bits: 8 },
      { type: "float", format: "pack-quantized" },
    ],
    [{ group_size: -1, strategy: null }, { groupSize: -1 }],
    [
      { symmetric: false, num_bits: 8 },
      { symmetric: false, bits: 8 },
    ],
    [{ actorder: true }, { actorder: "group" }],
    [{ actorder: "static" }, { actorder: "weight" }],
    [{ actorder: "dynamic" }, { actorder: "group" }],
  ])("%j", (changes, claim) => {
    expect(parseCompressedTensorsConfig(withWeights(changes)).groups[0]).toMatchObject(claim);
  });

  test("several groups keep their order and their formats, in both directions", () => {
    const group = {
      targets: ["Linear"],
      format: "pack-quantized",
      type: "int",
      bits: 4,
      strategy: "channel",
      groupSize: -1,
      symmetric: true,
      actorder: undefined,
    } as const;
    const config: CompressedTensorsConfig = {
      groups: [
        {
          ...group,
          targets: ["re:.*mlp.*"],
          strategy: "group",
          groupSize: 32,
          symmetric: false,
          actorder: "weight",
        },
        {
          ...group,
          format: "float-quantized",
          type: "float",
          bits: 8,
          strategy: "block",
          block: [128, 128],
        },
      ],
      ignore: [],
      version: "0.12.2",
    };
    expect(parseCompressedTensorsConfig(serializeCompressedTensorsConfig(config))).toEqual(config);
  });

  test("of a mixed model each group has its own format", () => {
    const { group_0 } = w4a16.config_groups;
    const float = {
      ...group_0,
      format: "float-quantized",
      targets: ["re:.*attn.*"],
      weights: { ...group_0.weights, type: "float", num_bits: 8, strategy: "channel", group_size: null },
    };
    const mixed = {
      ...w4a16,
      format: "mixed-precision",
      config_groups: { a: float, b: group_0, c: { targets: ["re:.*attn$"], weights: null } },
    };
    expect(parseCompressedTensorsConfig(mixed).groups.map(({ format }) => format)).toEqual([
      "float-quantized",
      "pack-quantized",
    ]);
  });

  test("a format that is not known is named, and those of other groups are read", () => {
    const { group_0 } = w4a16.config_groups;
    const odd = { ...w4a16, config_groups: { a: { ...group_0, format: "marlin-24" }, b: group_0 } };
    const { groups, unread } = parseCompressedTensorsConfig(odd);
    expect(groups).toHaveLength(1);
    expect(unread?.[0]?.error.message).toMatch(/The group "a" has format "marlin-24" and int weights/);
  });

  test.each<[unknown, new (message: string) => Error]>([
    [{ quant_method: "gptq", bits: 4 }, FormatError],
    [{ ...w4a16, quant_method: "gptq" }, FormatError],
    [withWeights({ type: "complex" }), UnsupportedError],
    [withWeights({ num_bits: 16 }), UnsupportedError],
    [withWeights({ type: "float", num_bits: 5 }), UnsupportedError],
    [withWeights({ strategy: "diagonal" }), UnsupportedError],
    [withWeights({ strategy: "block" }), FormatError],
    [withWeights({ strategy: "block", block_structure: "128" }), FormatError],
    [withWeights({ strategy: "block", block_structure: [0, 128] }), FormatError],
    [withWeights({ group_size: 0 }), FormatError],
    [{ config_groups: { group_0: { targets: ["Linear"], weights: null } } }, FormatError],
    [7, FormatError],
  ])("refuses %j", (json, type) => {
    expect(() => parseCompressedTensorsConfig(json)).toThrow(type);
  });
});
