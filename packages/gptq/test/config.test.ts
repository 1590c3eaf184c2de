import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FormatError, isCodecError, UnsupportedError } from "@requant/core";
import { type GptqConfig, gptqModuleConfig, parseGptqConfig, serializeGptqConfig } from "@requant/gptq";
import { describe, expect, test } from "vitest";

const folder = fileURLToPath(new URL("vectors/configs", import.meta.url));
const load = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), "utf8"));

/** The contents of the files, copied by hand. */
const defaults: GptqConfig = {
  bits: 4,
  groupSize: 128,
  sym: true,
  descAct: false,
  staticGroups: false,
  checkpointFormat: "gptq",
  packDtype: "int32",
  lmHead: false,
  dynamic: [],
  quantizer: [],
};
const autoGptq = { trueSequential: true, dampPercent: 0.01 };
const gptqModel = { quantizer: ["gptqmodel:7.3.4"], actGroupAware: false };
const expected: Record<string, GptqConfig> = {
  "autogptq_3bit_asym_noact.quantize_config.json": {
    ...defaults,
    ...autoGptq,
    bits: 3,
    groupSize: 64,
    sym: false,
  },
  "autogptq_4bit_g128_act.quantize_config.json": { ...defaults, ...autoGptq, descAct: true },
  "autogptq_marlin.quantize_config.json": { ...defaults, ...autoGptq, checkpointFormat: "marlin" },
  "gptqmodel_4bit_g128_sym.quantize_config.json": { ...defaults, ...gptqModel },
  "gptqmodel_4bit_g32_asym_desc_act_v2.quantize_config.json": {
    ...defaults,
    ...gptqModel,
    groupSize: 32,
    sym: false,
    descAct: true,
    checkpointFormat: "gptq_v2",
  },
  "gptqmodel_aga_default.quantize_config.json": { ...defaults, ...gptqModel, actGroupAware: true },
  "gptqmodel_dynamic_lmhead.quantize_config.json": {
    ...defaults,
    ...gptqModel,
    actGroupAware: true,
    lmHead: true,
    dynamic: [
      { pattern: ".*\\.0\\..*", action: "leave", override: {} },
      { pattern: ".*\\.18\\..*gate.*", action: "override", override: { bits: 8, groupSize: 64 } },
      { pattern: "lm_head", action: "override", override: { bits: 8, groupSize: 32, sym: false } },
    ],
  },
  "gptqmodel_planar_5bit.quantize_config.json": {
    ...defaults,
    ...gptqModel,
    bits: 5,
    groupSize: 64,
    checkpointFormat: "gptq_p",
  },
  "gptqmodel_wrapped.config.json": {
    ...defaults,
    ...gptqModel,
    groupSize: 32,
    sym: false,
    descAct: true,
    trueSequential: true,
    dampPercent: 0.05,
  },
  "handwritten_autogptq_legacy.quantize_config.json": {
    ...defaults,
    descAct: true,
    trueSequential: true,
    dampPercent: 0.1,
  },
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
    const config = parseGptqConfig(load(name));
    expect(config).toEqual(expected[name]);
    expect(parseGptqConfig(JSON.parse(JSON.stringify(serializeGptqConfig(config))))).toEqual(config);
  });

  test("a written configuration has every key that GPTQModel writes for the same settings, with the same values", () => {
    const theirs = load("gptqmodel_dynamic_lmhead.quantize_config.json");
    const { meta, ...ours } = serializeGptqConfig(parseGptqConfig(theirs));
    expect(theirs).toMatchObject(ours);
    expect(meta).toEqual({ quantizer: ["gptqmodel:7.3.4"], static_groups: false, act_group_aware: true });
  });
});

describe("rules of `dynamic`", () => {
  const config = parseGptqConfig(load("gptqmodel_dynamic_lmhead.quantize_config.json"));

  test.each([
    ["model.layers.0.mlp.gate_proj", undefined],
    ["model.layers.18.mlp.gate_proj", { bits: 8, groupSize: 64, sym: true }],
    ["model.layers.18.mlp.up_proj", { bits: 4, groupSize: 128, sym: true }],
    ["lm_head", { bits: 8, groupSize: 32, sym: false }],
  ])("%s", (name, claim) => {
    const found = gptqModuleConfig(config, name);
    if (claim === undefined) expect(found).toBeUndefined();
    else expect(found).toMatchObject(claim);
  });

  test.each(["(a)\\1", "(", "a".repeat(2000), "(?>a)b", "(a{999}){999}"])("refuses %s", (pattern) => {
    let caught: unknown;
    try {
      parseGptqConfig({ bits: 4, dynamic: { [pattern]: {} } });
    } catch (error) {
      caught = error;
    }
    expect(isCodecError(caught)).toBe(true);
  });

  test.each(["(a+)+b", "(a|a)*b", "(.*a){20}b", "((a*)b)+c", "(a?a?)*b", `${".*".repeat(9)}b`, "((a+))+b"])(
    "answers soon where a backtracking matcher would take for ever: %s",
    (pattern) => {
      const rules = parseGptqConfig({ bits: 4, dynamic: { [`-:${pattern}`]: {} } });
      const started = performance.now();
      expect(gptqModuleConfig(rules, "a".repeat(1000))).toBe(rules);
      expect(performance.now() - started).toBeLessThan(1000);
    },
  );

  test("thousands of whole names are compared, not matched: they use none of the steps that patterns share", () => {
    const names = Array.from({ length: 8000 }, (_, index) => `model.layers.0.mlp.experts.${index}.up-proj_1`);
    const rules = parseGptqConfig({
      bits: 4,
      dynamic: Object.fromEntries(names.map((name) => [`-:${name.replaceAll(".", "\\.")}$`, {}])),
    });
    expect(names.filter((name) => gptqModuleConfig(rules, name) !== undefined)).toEqual([]);
    for (const other of ["model.layers.0.mlp.experts.1", "model_layers.0.mlp.experts.1.up-proj_1"])
      expect(gptqModuleConfig(rules, other)).toBe(rules);
  });

  test("keeps alternatives and classes that do not repeat", () => {
    const keys = ["model\\.layers\\.(0|1|2)\\.mlp", "-:.*[(+]x", "+:.*\\(y"];
    const { dynamic } = parseGptqConfig({
      bits: 4,
      dynamic: Object.fromEntries(keys.map((key) => [key, {}])),
    });
    expect(dynamic.map(({ pattern, action }) => [pattern, action])).toEqual([
      ["model\\.layers\\.(0|1|2)\\.mlp", "override"],
      [".*[(+]x", "leave"],
      [".*\\(y", "override"],
    ]);
  });
});

describe("old and unusual files", () => {
  test.each<[string, object, Partial<GptqConfig>]>([
    ["is_marlin_format of AutoGPTQ 0.7", { bits: 4, is_marlin_format: true }, { checkpointFormat: "marlin" }],
    ["method marlin", { bits: 4, quant_method: "marlin" }, { checkpointFormat: "marlin" }],
    ["nothing but bits", { bits: 3 }, { bits: 3, groupSize: -1, sym: true, checkpointFormat: "gptq" }],
    [
      "nulls",
      { bits: 4, group_size: null, sym: null, dynamic: null, meta: null },
      { groupSize: -1, sym: true },
    ],
    ["torch's type name", { bits: 8, pack_dtype: "torch.int16" }, { packDtype: "int16" }],
    [
      "one quantizer as text",
      { bits: 4, meta: { quantizer: "gptqmodel:1.0" } },
      { quantizer: ["gptqmodel:1.0"] },
    ],
    ["numbers as text", { bits: "4", group_size: "128" }, { bits: 4, groupSize: 128 }],
    ["one group of all columns as 0", { bits: 4, group_size: 0 }, { bits: 4, groupSize: -1 }],
  ])("%s", (_, json, claim) => {
    expect(parseGptqConfig(json)).toMatchObject(claim);
  });

  test.each<[unknown, new (message: string) => Error]>([
    [{ bits: 4, quant_method: "awq" }, FormatError],
    [{ bits: 1 }, FormatError],
    [{ bits: 16 }, FormatError],
    [{ bits: "four" }, FormatError],
    [{ bits: "4.5" }, FormatError],
    [{ bits: 4, group_size: -128 }, FormatError],
    [{ bits: 4, dynamic: { a: { bits: 9 } } }, FormatError],
    [{ bits: 4, checkpoint_format: "bitblas" }, UnsupportedError],
    [{ bits: 4, pack_dtype: "int64" }, UnsupportedError],
    [null, FormatError],
    [[], FormatError],
    ["4", FormatError],
    [{ quantization_config: { quant_method: "exl2", bits: 4.5 } }, FormatError],
  ])("refuses %j", (json, type) => {
    expect(() => parseGptqConfig(json)).toThrow(type);
  });
});
