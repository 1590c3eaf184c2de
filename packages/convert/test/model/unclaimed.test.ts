/**
 * Tensors and configurations that no reader understands: refused by name wherever values are asked for. Oracle: the names,
 * shapes and encodings with which the formats' own tools store a layer (golden/neighbours has their files).
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type MemoryStore, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { writeGguf } from "@requant/gguf";
import { describe, expect, it } from "vitest";
import {
  examineModel,
  hashModel,
  inspectModel,
  type Model,
  notesOf,
  openModel,
  parseTarget,
  planConversion,
  planFakeQuantize,
  runPlan,
  tensorStatistics,
  verifyModels,
} from "../../src/index.ts";
import { hfDirectory, type StoredTensor, type Weights } from "../hf-directory.ts";

const LAYER = "model.layers.0.mlp.up_proj";
const NORM = "model.norm.weight";
const UNITS: Readonly<Record<string, number>> = { F32: 4, I32: 4, U32: 4, I64: 8, F16: 2, BF16: 2, I16: 2 };

function stored(encoding: string, ...shape: number[]): StoredTensor {
  const count = shape.reduce((product, size) => product * size, 1);
  const bytes = Uint8Array.from({ length: count * (UNITS[encoding] ?? 1) }, (_, index) => index % 60);
  return { encoding, shape, bytes };
}

type Parts = Readonly<Record<string, StoredTensor>>;

/** A directory with a norm, and one layer of these parts: names go on from the layer's. */
async function directory(
  parts: Parts,
  config: object = {},
  files: Readonly<Record<string, object>> = {},
): Promise<MemoryStore> {
  const weights: Weights = new Map([[NORM, stored("F32", 64)]]);
  for (const [suffix, tensor] of Object.entries(parts)) weights.set(`${LAYER}${suffix}`, tensor);
  const json = { architectures: ["LlamaForCausalLM"], model_type: "llama", ...config };
  return hfDirectory(
    weights,
    Object.fromEntries(
      Object.entries({ "config.json": json, ...files }).map(([name, value]) => [name, JSON.stringify(value)]),
    ),
    "models/foreign",
  );
}

interface Foreign {
  readonly parts: Parts;
  /** The suffix of the tensor that is named, and the words for the method. */
  readonly first: string;
  readonly method: RegExp;
  readonly config?: object;
  readonly files?: Readonly<Record<string, object>>;
  /** Suffixes of tensors that stay readable. */
  readonly plain?: readonly string[];
}

const method = (quant_method: string, rest: object = {}): object => ({
  quantization_config: { quant_method, ...rest },
});
const unknown = /by an unknown method/;

const foreign: Readonly<Record<string, Foreign>> = {
  "MLX without scales": {
    parts: {
      ".weight": stored("U32", 32, 8),
      ".biases": stored("BF16", 32, 1),
      ".bias": stored("BF16", 32),
    },
    first: ".weight",
    method: /of mlx|by mlx/,
    config: { quantization: { group_size: 64, bits: 4 } },
    plain: [".bias"],
  },
  "HQQ with zero points that are quantized too": {
    parts: {
      ".W_q": stored("U8", 16, 64),
      ".scale": stored("F32", 32, 1),
      ".zero_q": stored("U8", 32, 1),
      ".nbits": stored("I32"),
      ".shape": stored("I64", 2),
    },
    first: ".shape",
    method: /by HQQ with scales or zero points that are quantized too/,
    config: method("hqq"),
  },
  "packed codes of quanto without the model's shape": {
    parts: {
      ".weight._data._data": stored("U8", 16, 64),
      ".weight._scale": stored("BF16", 32, 1),
      ".weight._shift": stored("BF16", 32, 1),
    },
    first: ".weight._scale",
    method: /by quanto, which stores the shape of a weight in no tensor/,
    config: method("quanto", { weights: "int4" }),
  },
  "torchao with two codes in a byte": {
    parts: {
      "._weight_qdata": stored("U8", 32, 32),
      "._weight_scale": stored("BF16", 32, 1),
    },
    first: "._weight_scale",
    method: /by torchao in a kind of tensor whose codes are U8/,
    config: method("torchao"),
  },
  "torchao's Int4Tensor, with two codes in an I8": {
    parts: {
      "._weight_qdata": stored("I8", 32, 32),
      "._weight_scale": stored("BF16", 2, 32),
      "._weight_zero_point": stored("BF16", 2, 32),
    },
    first: "._weight_scale",
    method: /by torchao in a kind of tensor whose zero points are BF16/,
    config: method("torchao"),
  },
  "torchao with inputs that are multiplied before": {
    parts: {
      "._weight_qdata": stored("I8", 32, 64),
      "._weight_scale": stored("F32", 32, 1),
      "._weight_act_pre_scale": stored("F32", 64),
    },
    first: "._weight_act_pre_scale",
    method: /by torchao with _weight_act_pre_scale/,
    config: method("torchao"),
  },
  "FP8 without scales, and a configuration": {
    parts: { ".weight": stored("F8_E4M3", 32, 64) },
    first: ".weight",
    method: /by fbgemm_fp8/,
    config: method("fbgemm_fp8"),
  },
  AQLM: {
    parts: {
      ".codes": stored("I8", 32, 8, 1),
      ".codebooks": stored("F16", 1, 16, 1, 8),
      ".scales": stored("F16", 32, 1, 1, 1),
    },
    first: ".codes",
    method: /by aqlm/,
    config: method("aqlm"),
  },
  VPTQ: {
    parts: {
      ".indices": stored("I16", 1, 32, 8),
      ".centroids.weight": stored("F16", 1, 128),
      ".weight_scale": stored("F16", 64),
    },
    first: ".indices",
    method: /by vptq/,
    config: method("vptq"),
    plain: [".centroids.weight"],
  },
  "sparse-bitmask": {
    parts: {
      ".compressed": stored("BF16", 1024),
      ".bitmask": stored("U8", 32, 8),
      ".row_offsets": stored("I64", 32),
      ".shape": stored("I64", 2),
    },
    first: ".row_offsets",
    method: /by compressed-tensors in the sparse format "sparse-bitmask"/,
    config: method("compressed-tensors", {
      config_groups: {},
      sparsity_config: { format: "sparse-bitmask" },
    }),
  },
  "ModelOpt IQ1_M with hf_quant_config.json alone": {
    parts: { ".weight": stored("U8", 32, 1, 56) },
    first: ".weight",
    method: /by modelopt \(IQ1_M\)/,
    files: { "hf_quant_config.json": { producer: {}, quantization: { quant_algo: "IQ1_M" } } },
  },
  EXL3: {
    parts: {
      ".trellis": stored("I16", 4, 2, 32),
      ".suh": stored("F16", 64),
      ".svh": stored("F16", 32),
      ".mul1": stored("I32"),
    },
    first: ".trellis",
    method: /by exl3/,
    config: method("exl3"),
  },
  "GPTQ tensors under a method that nobody knows": {
    parts: {
      ".qweight": stored("I32", 8, 32),
      ".qzeros": stored("I32", 1, 4),
      ".scales": stored("F16", 1, 32),
    },
    first: ".qweight",
    method: /of gptq, and the configuration says newquant, which does not tell how they are read/,
    config: method("newquant", { bits: 4, group_size: 64 }),
  },
  "a packing of AutoRound that is not read": {
    parts: {
      ".qweight": stored("I32", 8, 32),
      ".qzeros": stored("I32", 1, 4),
      ".scales": stored("F16", 1, 32),
    },
    first: ".qweight",
    method: /packing_format "auto_round:fp8_static"/,
    config: method("auto-round", { bits: 8, packing_format: "auto_round:fp8_static" }),
  },
  "a linear weight with integers that its format does not have": {
    parts: {
      ".qweight": stored("I32", 8, 32),
      ".qzeros": stored("I32", 1, 4),
      ".scales": stored("F16", 1, 32),
      ".perm": stored("I32", 64),
    },
    first: ".perm",
    method: /part of the weights is packed/,
    config: method("gptq", { bits: 4, group_size: 64 }),
  },
  "a long list of integers": {
    parts: { ".codes": stored("U8", 4097) },
    first: ".codes",
    method: unknown,
  },
};

const names = Object.keys(foreign);

function open(name: string): Promise<MemoryStore> {
  const { parts, config, files } = foreign[name] ?? { parts: {} };
  return directory(parts, config, files);
}

function refusalOf(name: string): object {
  const { first, method: words } = foreign[name] ?? { first: "", method: unknown };
  return { code: "UNSUPPORTED", tensor: `${LAYER}${first}`, message: expect.stringMatching(words) };
}

describe.each(names)("%s", (name) => {
  it.each([
    "safetensors:f32",
    "safetensors:bf16",
    "gguf:f16",
    "gguf:auto",
    "gptq:4bit-32g-sym",
    "exl2:4.0bpw-h6",
  ])("is refused by name for %s", async (target) => {
    const model = await openModel({ store: await open(name) });
    await expect(planConversion(model, parseTarget(target))).rejects.toMatchObject(refusalOf(name));
  });

  it("is refused by fake-quantize, verify and the hash of values", async () => {
    const model = await openModel({ store: await open(name) });
    const refusal = refusalOf(name);
    await expect(planFakeQuantize(model, parseTarget("gguf:q4_0"))).rejects.toMatchObject(refusal);
    await expect(verifyModels(model, model)).rejects.toMatchObject(refusal);
    await expect(hashModel(model, { values: true })).rejects.toMatchObject(refusal);
    expect((await hashModel(model, { tensors: true })).tensors).toHaveLength(model.storedTensors.length);
  });

  it("shows its plain floats as numbers, and nothing else", async () => {
    const model = await openModel({ store: await open(name) });
    const { plain = [] } = foreign[name] ?? {};
    const readable: string[] = [];
    for (const tensor of model.tensors) {
      try {
        await tensorStatistics(model, tensor.name);
        readable.push(tensor.name);
      } catch (error) {
        expect(error).toMatchObject({ code: "UNSUPPORTED", tensor: tensor.name });
      }
    }
    expect(readable.sort()).toEqual([NORM, ...plain.map((suffix) => `${LAYER}${suffix}`)].sort());
  });

  it("is said by inspect and doctor, with a way out that exists", async () => {
    const store = await open(name);
    const inspection = await inspectModel(await openModel({ store }));
    const words = foreign[name]?.method ?? unknown;
    expect(
      inspection.findings.filter(({ code }) => code === "not-read").map(({ message }) => message),
    ).toEqual([expect.stringMatching(words)]);
    const { findings, ok } = await examineModel({ store });
    expect(ok).toBe(false);
    expect(findings.map(({ code }) => code)).toContain("not-read");
    expect(JSON.stringify(findings)).not.toMatch(/--like|bad-weights|zero-weights/);
  });

  it("is copied as it is, configuration included", async () => {
    const store = await open(name);
    const model = await openModel({ store });
    const output = memoryStore({ name: "copy" });
    await runPlan(await planConversion(model, parseTarget("safetensors:copy")), model, output);
    for (const [file, bytes] of store.files) {
      if (file.endsWith(".json")) expect(output.files.get(file), file).toEqual(bytes);
    }
    const copy = await openModel({ store: output });
    const hashes = async (one: Model): Promise<unknown> =>
      (await hashModel(one, { tensors: true })).tensors?.map((tensor) => JSON.stringify(tensor)).sort();
    expect(await hashes(copy)).toEqual(await hashes(model));
  });
});

it("a file alone is refused like a directory", async () => {
  const store = await directory({ ".weight": stored("U32", 32, 8), ".scales": stored("BF16", 32, 1) });
  store.files.delete("config.json");
  const model = await openModel({ store, file: "model.safetensors" });
  await expect(planConversion(model, parseTarget("safetensors:f32"))).rejects.toMatchObject({
    code: "UNSUPPORTED",
    tensor: `${LAYER}.weight`,
  });
});

it("weights of MLX are refused where no configuration tells their width, and it can only be guessed", async () => {
  const scales = stored("BF16", 32, 1);
  const store = await directory({ ".weight": stored("U32", 32, 8), ".scales": scales, ".biases": scales });
  store.files.delete("config.json");
  const model = await openModel({ store, file: "model.safetensors" });
  await expect(planConversion(model, parseTarget("safetensors:f32"))).rejects.toMatchObject({
    code: "UNSUPPORTED",
    message: expect.stringMatching(
      /2 bits in groups of 128, or 4 bits in groups of 64, or 8 bits in groups of 32/,
    ),
  });
});

describe("what is understood", () => {
  it("a checkpoint that was cast to 8-bit floats: the values are those of the codes", async () => {
    // E4M3: 0x38 is 1, 0x40 is 2, 0xb8 is −1, 0x01 is 2^-9
    const bytes = Uint8Array.of(0x38, 0x40, 0xb8, 0x01);
    const store = await directory({ ".weight": { encoding: "F8_E4M3", shape: [2, 2], bytes } });
    const model = await openModel({ store });
    const out = new Float32Array(4);
    await model.weight(`${LAYER}.weight`).readRows(0, 2, out);
    expect([...out]).toEqual([1, 2, -1, 2 ** -9]);
    expect(notesOf((await inspectModel(model)).findings)).toMatchObject([{ code: "unscaled-float8" }]);
    const plan = await planConversion(model, parseTarget("safetensors:f32"));
    expect(plan.tensors.map(({ to }) => to)).toEqual(["F32", "F32"]);
  });

  it("buffers that are known by name, and masks", async () => {
    const store = await directory({
      ".embeddings.position_ids": stored("I64", 1, 512),
      ".attn.bias": stored("U8", 1, 1, 8, 8),
      ".ffn.gate.tid2eid": stored("I64", 512, 6),
      ".d2t": stored("I64", 5000),
      ".mask": stored("BOOL", 8, 8),
      ".empty": stored("I64", 5, 0),
    });
    const model = await openModel({ store });
    expect(model.unclaimed).toEqual([]);
    expect(await inspectModel(model)).toMatchObject({ findings: [] });
    const plan = await planConversion(model, parseTarget("safetensors:f32"));
    expect(plan.tensors.map(({ fidelity }) => fidelity)).toEqual(plan.tensors.map(() => "copy"));
  });

  it("a few integers that nothing knows are named, and copied", async () => {
    const store = await directory({ ".counter": stored("I64", 3) });
    const model = await openModel({ store });
    expect(notesOf((await inspectModel(model)).findings)).toMatchObject([
      { code: "unknown-integers", tensor: `${LAYER}.counter` },
    ]);
    expect((await examineModel({ store })).findings).toContainEqual(
      expect.objectContaining({ code: "unknown-integers", severity: "note" }),
    );
    const plan = await planConversion(model, parseTarget("safetensors:f32"));
    expect(plan.tensors.find(({ name }) => name === `${LAYER}.counter`)).toMatchObject({ fidelity: "copy" });
  });
});

describe("GGUF", () => {
  const gguf = async (name: string, shape: readonly number[]): Promise<MemoryStore> => {
    const store = memoryStore({ name: "models" });
    const sink = await store.create("m.gguf");
    await writeGguf(sink, {
      metadata: new Map([["general.architecture", { type: "string", value: "llama" }]]),
      tensors: [
        { name, shape, encoding: "I32", data: [stored("I32", ...shape).bytes] },
        { name: "output_norm.weight", shape: [4], encoding: "F32", data: [stored("F32", 4).bytes] },
      ],
    });
    await sink.close();
    return store;
  };

  it("a matrix of integers is refused by name", async () => {
    const model = await openModel({ store: await gguf("blk.0.codes", [64, 128]), file: "m.gguf" });
    const refusal = { code: "UNSUPPORTED", tensor: "blk.0.codes" };
    await expect(planConversion(model, parseTarget("gguf:q8_0"))).rejects.toMatchObject(refusal);
    await expect(tensorStatistics(model, "blk.0.codes")).rejects.toMatchObject(refusal);
    expect((await tensorStatistics(model, "output_norm.weight")).count).toBe(4);
  });

  it.each([
    ["a map from tokens to experts", "blk.0.ffn_gate_tid2eid.weight", [1024, 6]],
    ["a list", "blk.0.numbers", [5000]],
    ["a small table", "blk.0.numbers", [4, 32]],
  ] as const)("%s is not", async (_, name, shape) => {
    const model = await openModel({ store: await gguf(name, shape), file: "m.gguf" });
    expect(model.unclaimed).toEqual([]);
  });
});

const golden = process.env["REQUANT_GOLDEN"];
const neighbours = golden === undefined ? "" : join(golden, "neighbours/models");

describe.skipIf(golden === undefined)(
  "directories of other tools (skipped: REQUANT_GOLDEN is not set)",
  () => {
    const readHere: readonly string[] = [
      "autoround-gptq-mixed",
      "bnb-int8",
      "bnb-nf4-nested",
      "ct-int8-w8a8",
      "ct-mixed-int",
      "ct-nvfp4",
      "fp8-block128-ragged",
      "hqq-4bit",
      "mlx-4bit-mixed",
      "modelopt-nvfp4",
    ];
    const all = existsSync(neighbours) ? readdirSync(neighbours) : [];

    it.each(all)("%s is read, or refused by name by every command", async (name) => {
      const model = await openModel({ store: directoryStore(join(neighbours, name)) });
      const commands: readonly (() => Promise<unknown>)[] = [
        () => planConversion(model, parseTarget("safetensors:f32")),
        () => planConversion(model, parseTarget("gptq:4bit-32g-sym")),
        () => planFakeQuantize(model, parseTarget("gptq:4bit-32g-sym")),
        () => verifyModels(model, model),
        () => hashModel(model, { values: true }),
      ];
      for (const command of commands) {
        if (readHere.includes(name)) await command();
        else
          await expect(command()).rejects.toMatchObject({
            code: "UNSUPPORTED",
            message: expect.stringMatching(/packed by (?:modelopt)/),
          });
      }
      expect((await tensorStatistics(model, NORM)).count).toBe(128);
      const { findings } = await inspectModel(model);
      expect(findings.some(({ code }) => code === "not-read")).toBe(!readHere.includes(name));
      await model.close();
    });
  },
);
