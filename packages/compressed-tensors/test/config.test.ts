import {
  type CompressedTensorsConfig,
  parseCompressedTensorsConfig,
  serializeCompressedTensorsConfig,
} from "@requant/compressed-tensors";
import { FormatError, UnsupportedError } from "@requant/core";
import { describe, expect, test } from "vitest";

/** The block that llm-compressor writes for W4A16 with groups of 128 (keys of compressed-tensors, QuantizationArgs). */
const w4a16 = {
  config_groups: {
    group_0: {
      input_activations: null,
      output_activations: null,
      targets: ["Linear"],
      weights: {
        actorder: null,
        block_structure: null,
        dynamic: false,
        group_size: 128,
        num_bits: 4,
        observer: "minmax",
        observer_kwargs: {},
        strategy: "group",
        symmetric: true,
        type: "int",
      },
    },
  },
  format: "pack-quantized",
  global_compression_ratio: null,
  ignore: ["lm_head"],
  kv_cache_scheme: null,
  quant_method: "compressed-tensors",
  quantization_status: "compressed",
};
const parsed: CompressedTensorsConfig = {
  groups: [{ targets: ["Linear"], bits: 4, groupSize: 128, symmetric: true, actorder: undefined }],
  ignore: ["lm_head"],
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
    [{ group_size: null, strategy: "channel" }, { groupSize: -1 }],
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

  test("several groups keep their order, in both directions", () => {
    const config: CompressedTensorsConfig = {
      groups: [
        { targets: ["re:.*mlp.*"], bits: 4, groupSize: 32, symmetric: false, actorder: "weight" },
        { targets: ["Linear"], bits: 8, groupSize: -1, symmetric: true, actorder: undefined },
      ],
      ignore: [],
      version: "0.12.2",
    };
    expect(parseCompressedTensorsConfig(serializeCompressedTensorsConfig(config))).toEqual(config);
  });

  test.each<[unknown, new (message: string) => Error]>([
    [{ quant_method: "gptq", bits: 4 }, FormatError],
    [{ ...w4a16, quant_method: "gptq" }, FormatError],
    [{ ...w4a16, format: "float-quantized" }, UnsupportedError],
    [withWeights({ type: "float" }), UnsupportedError],
    [withWeights({ num_bits: 16 }), UnsupportedError],
    [withWeights({ strategy: "block" }), UnsupportedError],
    [withWeights({ group_size: 0 }), FormatError],
    [{ config_groups: { group_0: { targets: ["Linear"], weights: null } } }, FormatError],
    [7, FormatError],
  ])("refuses %j", (json, type) => {
    expect(() => parseCompressedTensorsConfig(json)).toThrow(type);
  });
});
