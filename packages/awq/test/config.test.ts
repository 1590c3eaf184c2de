import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type AwqConfig, awqQuantizesModule, parseAwqConfig, serializeAwqConfig } from "@requant/awq";
import { FormatError, UnsupportedError } from "@requant/core";
import { describe, expect, test } from "vitest";

const folder = fileURLToPath(new URL("vectors/configs", import.meta.url));
const load = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), "utf8"));

/** The contents of the files, copied by hand. */
const gemm: AwqConfig = {
  bits: 4,
  groupSize: 128,
  zeroPoint: true,
  version: "gemm",
  modulesToNotConvert: [],
};
const expected: Record<string, AwqConfig> = {
  "autoawq_gemm_g128.config.json": gemm,
  "autoawq_gemv.config.json": { ...gemm, version: "gemv" },
  "autoawq_marlin.config.json": { ...gemm, version: "marlin", zeroPoint: false },
  "autoawq_skip.config.json": { ...gemm, modulesToNotConvert: ["lm_head", "visual"] },
  "handwritten_awq_legacy.quant_config.json": gemm,
};

describe("configurations of the tools", () => {
  test("every file has its expectation", () => {
    expect(
      readdirSync(folder)
        .filter((name) => name.endsWith(".json"))
        .sort(),
    ).toEqual(Object.keys(expected).sort());
  });

  test.each(Object.keys(expected))("%s", (name) => {
    const json = load(name);
    const config = parseAwqConfig(json);
    expect(config).toEqual(expected[name]);
    const ours = { quantization_config: serializeAwqConfig(config) };
    expect(parseAwqConfig(ours)).toEqual(config);
    // AutoAWQ's own files come back key by key
    if (name.startsWith("autoawq")) expect(ours).toEqual(json);
  });
});

test("modules_to_not_convert names parts of module names", () => {
  const config = parseAwqConfig(load("autoawq_skip.config.json"));
  expect(awqQuantizesModule(config, "lm_head")).toBe(false);
  expect(awqQuantizesModule(config, "model.visual.blocks.0.attn.qkv")).toBe(false);
  expect(awqQuantizesModule(config, "model.layers.0.mlp.up_proj")).toBe(true);
});

test("llm-awq is recognised by `backend`, in both directions", () => {
  const json = {
    quant_method: "awq",
    bits: 4,
    group_size: 128,
    zero_point: true,
    version: "gemv_fast",
    backend: "llm-awq",
  };
  const config = parseAwqConfig(json);
  expect(config.version).toBe("llm-awq");
  expect(serializeAwqConfig(config)).toMatchObject(json);
});

test("GPTQModel's AWQ configuration", () => {
  const json = {
    bits: 4,
    group_size: 64,
    desc_act: false,
    method: "awq",
    quant_method: "awq",
    format: "gemv",
    checkpoint_format: "gemv",
    sym: false,
    meta: { quantizer: ["gptqmodel:7.3.4"] },
  };
  expect(parseAwqConfig(json)).toEqual({ ...gemm, groupSize: 64, version: "gemv" });
});

test.each<[unknown, new (message: string) => Error]>([
  [{ quant_method: "gptq", bits: 4 }, FormatError],
  [{ quant_method: "awq" }, FormatError],
  [{ quant_method: "awq", bits: 3 }, UnsupportedError],
  [{ quant_method: "awq", bits: 4, version: "gemx" }, UnsupportedError],
  [{ quant_method: "awq", bits: 4, group_size: -2 }, FormatError],
  [{ quant_method: "awq", bits: 4, modules_to_not_convert: "lm_head" }, FormatError],
  [undefined, FormatError],
])("refuses %j", (json, type) => {
  expect(() => parseAwqConfig(json)).toThrow(type);
});

test("numbers as text, and one group of all columns as 0", () => {
  expect(parseAwqConfig({ w_bit: "4", q_group_size: "64" })).toMatchObject({ bits: 4, groupSize: 64 });
  expect(parseAwqConfig({ bits: 4, group_size: 0 })).toMatchObject({ bits: 4, groupSize: -1 });
});
