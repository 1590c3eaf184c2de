/**
 * Where a quantization configuration stands, what it decides, and what becomes of it. Oracle of the values: codes that are
 * written down here, and the formula of the tool (W = scale × (code − zero); AutoRound and GPTQ v2 store zeros as they are,
 * GPTQ v1 less one); for whole models the hashes of their own tools.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type MemoryStore, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { roundToHalf } from "@requant/core/view";
import { describe, expect, it } from "vitest";
import {
  examineModel,
  inspectModel,
  openModel,
  parseTarget,
  planConversion,
  runPlan,
  tensorStatistics,
} from "../../src/index.ts";
import { floatBytes } from "../../src/model/float-bytes.ts";
import { hfDirectory, type StoredTensor, type Weights } from "../hf-directory.ts";

const ATTENTION = "model.layers.0.self_attn";
const MODULE = `${ATTENTION}.q_proj`;
const NORM = "model.norm.weight";
const ROWS = 8;
const COLUMNS = 32;

const code = (row: number, column: number): number => (3 * row + column) % 16;
const zero = (row: number): number => 1 + ((row * 5) % 15);
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
/** Row-major; every scale is 1. */
const weights = (shift = 0): number[] =>
  range(ROWS).flatMap((row) => range(COLUMNS).map((column) => code(row, column) - zero(row) - shift));

function integers(shape: readonly number[], values: readonly number[]): StoredTensor {
  return { encoding: "I32", shape, bytes: new Uint8Array(Uint32Array.from(values).buffer) };
}

/** Eight 4-bit numbers in a word, the first in the lowest bits, or in the order that is given. */
function word(numbers: readonly number[], order: readonly number[] = range(8)): number {
  return order.reduce((sum, from, place) => sum + (numbers[from] ?? 0) * 16 ** place, 0);
}

const ones: StoredTensor = {
  encoding: "F16",
  shape: [1, ROWS],
  bytes: new Uint8Array(Uint16Array.from(range(ROWS), () => 0x3c00).buffer),
};

/** GPTQ's tensors as AutoRound writes them, without g_idx; the zero points' fields hold z. */
const gptqParts: Readonly<Record<string, StoredTensor>> = {
  qweight: integers(
    [COLUMNS / 8, ROWS],
    range(COLUMNS / 8).flatMap((block) =>
      range(ROWS).map((row) => word(range(8).map((at) => code(row, 8 * block + at)))),
    ),
  ),
  qzeros: integers([1, ROWS / 8], [word(range(ROWS).map(zero))]),
  scales: ones,
};

/** AutoAWQ's order of eight rows in a word. */
const AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7];

const awqParts: Readonly<Record<string, StoredTensor>> = {
  qweight: integers(
    [COLUMNS, ROWS / 8],
    range(COLUMNS).map((column) =>
      word(
        range(ROWS).map((row) => code(row, column)),
        AWQ_ORDER,
      ),
    ),
  ),
  qzeros: integers([1, ROWS / 8], [word(range(ROWS).map(zero), AWQ_ORDER)]),
  scales: ones,
};

const norm: StoredTensor = { encoding: "F32", shape: [4], bytes: new Uint8Array(16) };
const floats: Weights = new Map([
  [NORM, norm],
  [`${MODULE}.weight`, { encoding: "F32", shape: [2, 4], bytes: new Uint8Array(32) }],
]);

function packed(
  parts: Readonly<Record<string, StoredTensor>>,
  modules: readonly string[] = [MODULE],
): Weights {
  const tensors = modules.flatMap((module) =>
    Object.entries(parts).map(([suffix, tensor]): [string, StoredTensor] => [`${module}.${suffix}`, tensor]),
  );
  return new Map([[NORM, norm], ...tensors]);
}

function store(
  tensors: Weights,
  config: object,
  files: Readonly<Record<string, object>> = {},
): Promise<MemoryStore> {
  const json = { architectures: ["LlamaForCausalLM"], model_type: "llama", ...config };
  return hfDirectory(
    tensors,
    Object.fromEntries(
      Object.entries({ "config.json": json, ...files }).map(([name, value]) => [name, JSON.stringify(value)]),
    ),
  );
}

async function valuesOf(from: MemoryStore, module = MODULE): Promise<number[]> {
  const model = await openModel({ store: from });
  const out = new Float32Array(ROWS * COLUMNS);
  await model.weight(`${module}.weight`).readRows(0, ROWS, out);
  return [...out];
}

async function warningsOf(from: MemoryStore): Promise<string[]> {
  const { findings } = await inspectModel(await openModel({ store: from }));
  return findings.map(({ message }) => message);
}

const autoRound = (rest: object): { quantization_config: object } => ({
  quantization_config: {
    quant_method: "auto-round",
    bits: 4,
    group_size: 32,
    sym: false,
    data_type: "int",
    autoround_version: "0.7.0",
    iters: 200,
    ...rest,
  },
});

describe("AutoRound", () => {
  it.each([
    ["auto_round", gptqParts, 0],
    ["auto_round:auto_gptq", gptqParts, 1],
    ["auto_round:gptqmodel", gptqParts, 1],
    ["auto_round:auto_awq", awqParts, 0],
  ] as const)("packing_format %s: every value is that of the tool", async (packing_format, parts, shift) => {
    for (const quant_method of ["auto-round", "intel/auto-round"]) {
      const from = await store(packed(parts), autoRound({ packing_format, quant_method }));
      expect(await valuesOf(from)).toEqual(weights(shift));
      expect(await warningsOf(from)).toEqual([]);
      expect(
        (await inspectModel(await openModel({ store: from }))).measured.filter(({ agrees }) => !agrees),
      ).toEqual([]);
    }
  });

  it("extra_config changes single modules: whole names before patterns, 16 bits are floats", async () => {
    const modules = ["q_proj", "k_proj", "v_proj"].map((name) => `${ATTENTION}.${name}`);
    const from = await store(
      packed(gptqParts, modules),
      autoRound({
        bits: 8,
        packing_format: "auto_round",
        extra_config: {
          "self_attn\\.(k|v)_proj": { bits: 4 },
          [`${ATTENTION}.q_proj`]: { bits: 4, group_size: 32 },
          "q_proj|o_proj": { bits: 2 },
          "model.layers.0.mlp.up_proj": { bits: 16 },
        },
      }),
    );
    for (const module of modules) expect(await valuesOf(from, module)).toEqual(weights());
    const contradicting = await store(
      packed(gptqParts, modules),
      autoRound({ packing_format: "auto_round", extra_config: { [MODULE]: { bits: 8 } } }),
    );
    await expect(valuesOf(contradicting)).rejects.toThrow(/says 8 bits; the tensors hold 4/);
    expect(await valuesOf(contradicting, `${ATTENTION}.k_proj`)).toEqual(weights());
  });

  it.each([
    ["auto_round:auto_awq", {}],
    ["auto_round:exotic", {}],
    ["auto_round", { data_type: "mx_fp" }],
  ])("GPTQ's tensors under packing_format %s and %j are refused by name", async (packing_format, rest) => {
    const model = await openModel({
      store: await store(packed(gptqParts), autoRound({ packing_format, ...rest })),
    });
    await expect(planConversion(model, parseTarget("safetensors:f32"))).rejects.toMatchObject({
      code: "UNSUPPORTED",
      message: expect.stringContaining(`packing_format "${packing_format}"`),
    });
  });
});

const v2 = {
  quant_method: "gptq",
  bits: 4,
  group_size: 32,
  sym: false,
  desc_act: false,
  checkpoint_format: "gptq_v2",
};

describe("the place of a configuration", () => {
  it.each<[string, object, Readonly<Record<string, object>>]>([
    ["config.json", { quantization_config: v2 }, {}],
    ["compression_config", { compression_config: v2 }, {}],
    ["text_config", { text_config: { hidden_size: 32, quantization_config: v2 } }, {}],
    ["llm_config", { llm_config: { quantization_config: v2 } }, {}],
    ["quantize_config.json", {}, { "quantize_config.json": v2 }],
    [
      "quantize_config.json without a method",
      {},
      { "quantize_config.json": { ...v2, quant_method: undefined } },
    ],
    ["quantization_config.json", {}, { "quantization_config.json": v2 }],
    [
      "quantization_config.json of AutoRound",
      {},
      { "quantization_config.json": autoRound({ packing_format: "auto_round" }).quantization_config },
    ],
    ["an empty one in config.json", { quantization_config: {} }, { "quantize_config.json": v2 }],
  ])("%s: it is found, and decides the zero points", async (_, config, files) => {
    const from = await store(packed(gptqParts), config, files);
    expect(await valuesOf(from)).toEqual(weights());
    expect(await warningsOf(from)).toEqual([]);
  });

  it("without one, zero points are those of v1", async () => {
    expect(await valuesOf(await store(packed(gptqParts), {}))).toEqual(weights(1));
  });

  it("quant_config.json of AutoAWQ", async () => {
    const files = { "quant_config.json": { w_bit: 4, q_group_size: 32, zero_point: true, version: "GEMM" } };
    const from = await store(packed(awqParts), {}, files);
    expect(await valuesOf(from)).toEqual(weights());
    expect(await warningsOf(from)).toEqual([]);
  });

  it("of several that disagree config.json is used, and it is said", async () => {
    const from = await store(
      packed(gptqParts),
      { quantization_config: v2 },
      { "quantize_config.json": { ...v2, checkpoint_format: "gptq", bits: 8 } },
    );
    expect(await valuesOf(from)).toEqual(weights());
    expect(await warningsOf(from)).toEqual([
      expect.stringMatching(
        /config\.json and .*quantize_config\.json disagree about bits, checkpoint_format; .*config\.json is used/,
      ),
    ]);
    const same = await store(packed(gptqParts), { quantization_config: v2 }, { "quantize_config.json": v2 });
    expect(await warningsOf(same)).toEqual([]);
  });

  it("of several files the general format's is used", async () => {
    const from = await store(
      packed(gptqParts),
      {},
      { "quant_config.json": { w_bit: 4, q_group_size: 32 }, "quantize_config.json": v2 },
    );
    expect(await valuesOf(from)).toEqual(weights());
  });

  it("other settings of an inner model are none", async () => {
    const from = await store(floats, { audio_config: { quantization: { levels: 8 } } });
    expect(await warningsOf(from)).toEqual([]);
    expect((await openModel({ store: from })).unclaimed).toEqual([]);
  });

  it("a key that nothing reads is named", async () => {
    const from = await store(packed(gptqParts), {
      quantization_config: { ...v2, adapter: { rank: 8 }, tokenizer: null, damp_percent: 0.1 },
    });
    expect(await warningsOf(from)).toEqual([expect.stringMatching(/not known and not used: adapter\./)]);
  });
});

describe("every place and key of a configuration is accounted for", () => {
  const v1 = { ...v2, checkpoint_format: "gptq" };
  const files = ["quantize_config.json", "quantization_config.json"];

  it.each<[string, object, Readonly<Record<string, object>>, RegExp]>([
    [
      "text_config, which the top contradicts",
      { quantization_config: v2, text_config: { quantization_config: v1 } },
      {},
      /config\.json and .*config\.json \(text_config\) disagree about checkpoint_format/,
    ],
    [
      "compression_config, which the first contradicts",
      { quantization_config: v2, compression_config: v1 },
      {},
      /disagree about checkpoint_format/,
    ],
    [
      "hf_quant_config.json of another method",
      { quantization_config: v2 },
      { "hf_quant_config.json": { quantization: { quant_algo: "NVFP4" } } },
      /disagree about quant_method/,
    ],
    ...files.map((name): [string, object, Readonly<Record<string, object>>, RegExp] => [
      `a key of ${name} beside config.json`,
      { quantization_config: v2 },
      { [name]: { ...v2, online_rotation: true } },
      /not known and not used: online_rotation\./,
    ]),
    [
      "a key of text_config beside that of the top",
      { quantization_config: v2, text_config: { quantization_config: { ...v2, shift: 1 } } },
      {},
      /not known and not used: shift\./,
    ],
    [
      "a key of a rule",
      { quantization_config: { ...v2, dynamic: { "+:none": { bits: 4, zero_shift: 1 } } } },
      {},
      /not known and not used: dynamic\.\+:none\.zero_shift\./,
    ],
    [
      "a key of AutoRound's extra_config",
      autoRound({ packing_format: "auto_round", extra_config: { lm_head: { bits: 16, rotate: true } } }),
      {},
      /not known and not used: extra_config\.lm_head\.rotate\./,
    ],
  ])("%s", async (_, config, others, said) => {
    const from = await store(packed(gptqParts), config, others);
    expect(await warningsOf(from)).toEqual([expect.stringMatching(said)]);
    expect(await valuesOf(from)).toEqual(weights());
  });

  it("files over plain floats are named, and not written into a float model", async () => {
    const from = await store(floats, {}, { "quantize_config.json": v2 });
    expect(await warningsOf(from)).toEqual([expect.stringMatching(/packed by gptq; all of them are plain/)]);
    expect([...(await written(from, "safetensors:bf16")).files.keys()]).not.toContain("quantize_config.json");
  });

  it.each<[string, Weights]>([
    ["plain floats", floats],
    ["packed weights", packed(gptqParts)],
  ])("no object in its place is refused by every command, over %s", async (_, tensors) => {
    for (const value of ["gptq", 4, true, [v2]]) {
      for (const config of [
        { quantization_config: value },
        { text_config: { quantization_config: value } },
      ]) {
        const from = await store(tensors, config);
        const model = await openModel({ store: from });
        const refusal = {
          code: "UNSUPPORTED",
          message: expect.stringMatching(/[Tt]he quantization_config is/),
        };
        for (const target of ["safetensors:f32", "gguf:f16", "gptq:4bit-32g-sym"]) {
          await expect(planConversion(model, parseTarget(target))).rejects.toMatchObject(refusal);
        }
        await expect(tensorStatistics(model, `${MODULE}.weight`)).rejects.toMatchObject(refusal);
        const { findings, ok } = await examineModel({ store: from });
        expect(ok).toBe(false);
        expect(findings).toContainEqual(expect.objectContaining({ code: "not-read", severity: "error" }));
      }
    }
  });

  it("null and an empty object are none", async () => {
    for (const quantization_config of [null, {}]) {
      const from = await store(floats, { quantization_config });
      expect(await warningsOf(from)).toEqual([]);
    }
  });
});

async function written(from: MemoryStore, target: string): Promise<MemoryStore> {
  const model = await openModel({ store: from });
  const output = memoryStore({ name: "output" });
  await runPlan(await planConversion(model, parseTarget(target)), model, output);
  return output;
}

const configOf = (output: MemoryStore): Record<string, unknown> =>
  JSON.parse(new TextDecoder().decode(output.files.get("config.json")));

describe("what becomes of a configuration", () => {
  it("one that was used is left out of a float model, wherever it stands", async () => {
    const text = { hidden_size: 32, quantization_config: v2 };
    const output = await written(
      await store(packed(gptqParts), { text_config: text }, { "quantization_config.json": v2 }),
      "safetensors:f32",
    );
    expect(configOf(output)["text_config"]).toEqual({ hidden_size: 32 });
    expect([...output.files.keys()]).not.toContain("quantization_config.json");
  });

  it("every place of one in config.json is left out, and nothing else", async () => {
    const config = {
      quantization_config: v2,
      quantization: { bits: 4, group_size: 32 },
      audio_config: { quantization: { levels: 8 } },
    };
    const output = configOf(await written(await store(packed(gptqParts), config), "safetensors:f32"));
    expect(Object.keys(output)).not.toContain("quantization_config");
    expect(Object.keys(output)).not.toContain("quantization");
    expect(output["audio_config"]).toEqual(config.audio_config);
  });

  it.each<[string, object, RegExp]>([
    [
      "to be applied at loading",
      { load_in_4bit: true, quant_method: "bitsandbytes" },
      /when the model is loaded/,
    ],
    [
      "left behind by a model that was dequantized",
      { quant_method: "fp8" },
      /packed by fp8; all of them are plain floats/,
    ],
  ])("one over plain floats, %s, is named and not written", async (_, quantization_config, said) => {
    const from = await store(floats, { quantization_config });
    expect(await warningsOf(from)).toEqual([expect.stringMatching(said)]);
    const output = configOf(await written(from, "safetensors:bf16"));
    expect(Object.keys(output)).not.toContain("quantization_config");
    expect(output["architectures"]).toEqual(["LlamaForCausalLM"]);
    const copy = configOf(await written(from, "safetensors:copy"));
    expect(copy["quantization_config"]).toEqual(quantization_config);
    const model = await openModel({ store: from });
    const { findings } = await planConversion(model, parseTarget("safetensors:f32"));
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: "quantization-config",
        message: expect.stringContaining("is not written"),
      }),
    );
    expect((await examineModel({ store: from })).findings).toContainEqual(
      expect.objectContaining({ code: "quantization-config", severity: "warning" }),
    );
  });

  it.each<[string, Weights, object, RegExp]>([
    [
      "of a method that nobody knows",
      floats,
      { quant_method: "newquant" },
      /quantized by newquant, which is not read/,
    ],
    ["of BitNet, which rounds while it runs", floats, { quant_method: "bitnet" }, /quantized by bitnet/],
    ["without a method", floats, { bits: 4 }, /names no method/],
    [
      "with a rotation at run time",
      packed(gptqParts),
      { ...v2, rotation_config: { kind: "hadamard" } },
      /transform that is applied while the model runs \(rotation_config\)/,
    ],
    [
      "of compressed-tensors with an online Hadamard",
      floats,
      {
        quant_method: "compressed-tensors",
        config_groups: {},
        transform_config: {
          config_groups: {
            v: { type: "hadamard", apply: [{ location: "weight_input" }, { location: "input" }] },
          },
        },
      },
      /transform_config "v" at "input"/,
    ],
  ])("one %s is refused, and the norm can be looked at", async (_, tensors, quantization_config, said) => {
    const model = await openModel({ store: await store(tensors, { quantization_config }) });
    const refusal = { code: "UNSUPPORTED", message: expect.stringMatching(said) };
    for (const target of ["safetensors:f32", "gguf:f16", "gptq:4bit-32g-sym"]) {
      await expect(planConversion(model, parseTarget(target))).rejects.toMatchObject(refusal);
    }
    await expect(tensorStatistics(model, `${MODULE}.weight`)).rejects.toMatchObject(refusal);
    expect((await tensorStatistics(model, NORM)).count).toBe(4);
  });

  it("a transform that is folded into the weights changes nothing", async () => {
    const quantization_config = {
      quant_method: "compressed-tensors",
      config_groups: {},
      transform_config: { config_groups: { r: { apply: [{ location: "weight_output" }] } } },
    };
    const model = await openModel({ store: await store(floats, { quantization_config }) });
    expect(model.unclaimed).toEqual([]);
  });
});

const golden = process.env["REQUANT_GOLDEN"];

describe.skipIf(golden === undefined)(
  "a model that AutoRound wrote (skipped: REQUANT_GOLDEN is not set)",
  () => {
    it("has the weights that the tool computes with", async () => {
      const root = join(golden ?? "", "neighbours");
      const {
        models,
      }: { models: readonly { id: string; weights: Record<string, { sha256_f32: string }> }[] } = JSON.parse(
        readFileSync(join(root, "manifest.json"), "utf8"),
      );
      const expected = models.find(({ id }) => id === "autoround-gptq-mixed")?.weights ?? {};
      const model = await openModel({ store: directoryStore(join(root, "models/autoround-gptq-mixed")) });
      expect(Object.keys(expected).length).toBeGreaterThan(10);
      for (const [name, { sha256_f32 }] of Object.entries(expected)) {
        const { shape, linear } = model.tensor(name);
        const columns = shape.at(-1) ?? 1;
        const rows = shape.length === 1 ? 1 : (shape[0] ?? 0);
        const values = new Float32Array(rows * columns);
        await model.weight(name).readRows(0, rows, values);
        // the tool rounds packed weights once to f16
        if (linear !== undefined) roundToHalf(values);
        expect([name, createHash("sha256").update(floatBytes(values)).digest("hex")]).toEqual([
          name,
          sha256_f32,
        ]);
      }
      await model.close();
    });
  },
);
