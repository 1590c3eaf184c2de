import { FormatError } from "@requant/core";
import { float8Format, parseFloat8Config, serializeFloat8Config } from "@requant/float8";
import { describe, expect, test } from "vitest";

describe("configuration", () => {
  test("the keys that transformers writes are read back", () => {
    const config = {
      blockSize: [128, 128],
      powersOfTwo: true,
      left: ["lm_head", "model.layers.0.mlp.gate"],
    } as const;
    expect(parseFloat8Config(serializeFloat8Config(config))).toEqual({
      blockSize: [128, 128],
      left: ["lm_head", "model.layers.0.mlp.gate"],
    });
  });

  test.each([
    [{ quant_method: "fp8", activation_scheme: "static", weight_block_size: null }, { left: [] }],
    [{ quant_method: "fbgemm_fp8", modules_to_not_convert: ["lm_head"] }, { left: ["lm_head"] }],
    [{ quant_algo: "FP8", exclude_modules: ["lm_head"] }, { left: ["lm_head"] }],
    [
      { quant_method: "fp8", ignored_layers: null, weight_block_size: [1, 128] },
      { blockSize: [1, 128], left: [] },
    ],
  ])("%j", (json, expected) => {
    expect(parseFloat8Config(json)).toEqual(expected);
  });

  test.each([
    [{ weight_block_size: [128] }, /weight_block_size/],
    [{ weight_block_size: [0, 128] }, /weight_block_size/],
    [{ weight_block_size: "128x128" }, /weight_block_size/],
    [{ modules_to_not_convert: "lm_head" }, /modules_to_not_convert/],
    [7, /FP8/],
  ])("refuses %j", (json, message) => {
    expect(() => parseFloat8Config(json)).toThrow(FormatError);
    expect(() => parseFloat8Config(json)).toThrow(message);
  });
});

test.each([
  [{ quant_algo: "FP8" }, true],
  [{ quant_algo: "FP8_PB_WO" }, true],
  [
    { quant_algo: "MIXED_PRECISION", quantized_layers: { "model.layers.0.mlp": { quant_algo: "FP8" } } },
    true,
  ],
  [
    { quant_algo: "MIXED_PRECISION", quantized_layers: { "model.layers.0.mlp": { quant_algo: "NVFP4" } } },
    false,
  ],
  [{ quant_algo: "NVFP4" }, false],
])("ModelOpt's %j describes FP8 weights: %s", (settings, expected) => {
  const modelOpt = float8Format.methods.find(({ names }) => names.includes("modelopt"));
  expect(modelOpt?.describes?.(settings)).toBe(expected);
});
