/** Directories that we write: what the formats' own parsers read of them, shards, what is carried along. */
import { awqQuantizesModule, parseAwqConfig } from "@requant/awq";
import { parseCompressedTensorsConfig } from "@requant/compressed-tensors";
import { defaultLimits, type MemoryStore, memoryStore } from "@requant/core";
import { parseExl2Config } from "@requant/exl2";
import { gptqModuleConfig, parseGptqConfig } from "@requant/gptq";
import { openSafetensors, parseShardIndex, writeSafetensors } from "@requant/safetensors";
import { describe, expect, it } from "vitest";
import {
  hashModel,
  inspectModel,
  listTargets,
  openModel,
  parseTarget,
  planConversion,
  planFakeQuantize,
  planMerge,
  planModelSplit,
  runPlan,
  verifyModels,
} from "../../src/index.ts";
import {
  config,
  exl2Directory,
  floatDirectory,
  linearModules,
  packedDirectory,
} from "../run/packed-models.ts";

async function convert(source: MemoryStore, target: string, shardSize?: number): Promise<MemoryStore> {
  const model = await openModel({ store: source });
  const out = memoryStore({ name: `${source.name}>${target.replace(":", "-")}` });
  await runPlan(await planConversion(model, parseTarget(target), { shardSize }), model, out);
  return out;
}

function json(store: MemoryStore, name: string): Record<string, unknown> {
  return JSON.parse(new TextDecoder().decode(store.files.get(name)));
}

it.each([
  [
    "gptq:4bit-32g-act",
    ["The word act of the target changes no weight: none is packed with calibration statistics."],
  ],
  ["gptq:4bit-32g", []],
])("%s without calibration: the plan names a word that needs it", async (target, expected) => {
  const model = await openModel({ store: await floatDirectory("BF16") });
  const { findings } = await planConversion(model, parseTarget(target));
  expect(findings.flatMap(({ code, message }) => (code === "not-used" ? message : []))).toEqual(expected);
});

describe("configuration as the tools write it", () => {
  it("GPTQ: config.json and quantize_config.json say the same", async () => {
    const out = await convert(await floatDirectory("BF16"), "gptq:4bit-64g-asym-v1");
    expect(json(out, "quantize_config.json")).toEqual(json(out, "config.json")["quantization_config"]);
    expect(parseGptqConfig(json(out, "config.json"))).toMatchObject({
      bits: 4,
      groupSize: 64,
      sym: false,
      descAct: false,
      checkpointFormat: "gptq",
      lmHead: false,
      quantizer: ["requant"],
    });
    // what the model was beside its packed weights stays
    const { quantization_config: _, ...rest } = json(out, "config.json");
    expect(rest).toEqual(config);
    expect(out.files.get("tokenizer.json")).toEqual(
      (await floatDirectory("BF16")).files.get("tokenizer.json"),
    );
  });

  it("GPTQ v2 where a zero point is 0, v1 where none is", async () => {
    const zero = await packedDirectory("awq", ["gemm", "128g"], { bits: 4, groupSize: 128, sym: false });
    expect(
      parseGptqConfig(json(await convert(zero, "gptq:4bit-128g-asym"), "config.json")).checkpointFormat,
    ).toBe("gptq_v2");
    const none = await packedDirectory("awq", ["gemm", "128g"], {
      bits: 4,
      groupSize: 128,
      sym: false,
      minZero: 1,
    });
    expect(
      parseGptqConfig(json(await convert(none, "gptq:4bit-128g-asym"), "config.json")).checkpointFormat,
    ).toBe("gptq");
    const model = await openModel({ store: zero });
    await expect(
      planConversion(model, parseTarget("gptq:4bit-128g-asym-v1"), { exact: true }),
    ).rejects.toMatchObject({ code: "CONVERSION" });
  });

  it("act-order is said, with the groups that it was made with", async () => {
    const source = await packedDirectory("gptq", ["4bit", "64g", "sym"], {
      bits: 4,
      groupSize: 64,
      sym: true,
      actOrder: true,
    });
    const ct = await convert(source, "compressed-tensors:4bit-128g-sym");
    expect(parseCompressedTensorsConfig(json(ct, "config.json")).groups).toMatchObject([
      { targets: ["Linear"], bits: 4, groupSize: 64, actorder: "group" },
    ]);
    expect(parseGptqConfig(json(await convert(ct, "gptq:4bit-128g-sym"), "config.json"))).toMatchObject({
      descAct: true,
      groupSize: 64,
    });
  });

  it("AWQ, EXL2, compressed-tensors", async () => {
    const source = await floatDirectory("BF16");
    const awq = await convert(source, "awq:gemv-64g");
    expect(parseAwqConfig(json(awq, "config.json"))).toMatchObject({
      version: "gemv",
      groupSize: 64,
      zeroPoint: true,
    });
    expect(json(awq, "config.json")["torch_dtype"]).toBe("float16");
    const llm = await convert(source, "awq:llm-awq-128g");
    expect(parseAwqConfig(json(llm, "config.json"))).toMatchObject({ version: "llm-awq" });
    const ct = await convert(source, "compressed-tensors:8bit-colg-sym");
    expect(parseCompressedTensorsConfig(json(ct, "config.json"))).toMatchObject({
      groups: [{ bits: 8, groupSize: -1, symmetric: true }],
      ignore: ["lm_head"],
    });
    const exl2 = await convert(source, "exl2:4.25bpw-h6");
    expect(parseExl2Config(json(exl2, "config.json"))).toMatchObject({ bits: 4.25, headBits: 6 });
    expect([...exl2.files.keys()]).toContain("output.safetensors");
    const { measured } = await inspectModel(await openModel({ store: exl2 }));
    const bits = Number(measured.find(({ label }) => label === "bits per packed weight")?.measured);
    expect(bits).toBeGreaterThan(3.9);
    expect(bits).toBeLessThanOrEqual(4.25);
  });

  it("float again: nothing says that weights are packed", async () => {
    const source = await convert(await floatDirectory("BF16"), "gptq:4bit-128g-sym");
    const out = await convert(source, "safetensors:f16");
    expect(json(out, "config.json")).toEqual({ ...config, torch_dtype: "float16" });
    expect([...out.files.keys()]).not.toContain("quantize_config.json");
  });

  it("layers that cannot be packed stay in floats, by name", async () => {
    const odd = await floatDirectory("F16");
    const set = await openSafetensors(odd);
    const store = memoryStore({ name: "odd" });
    for (const [name, bytes] of odd.files) if (!name.endsWith(".safetensors")) store.files.set(name, bytes);
    const tensors = await Promise.all(
      set.tensors.map(async (tensor) => ({
        name: tensor.name,
        encoding: tensor.encoding,
        shape: tensor.shape,
        data: [(await set.read(tensor, 0, tensor.byteLength)).slice()],
      })),
    );
    const extra = "model.layers.0.self_attn.odd_proj.weight";
    const sink = await store.create("model.safetensors");
    await writeSafetensors(sink, [
      ...tensors,
      { name: extra, encoding: "F16", shape: [20, 24], data: [new Uint8Array(960)] },
      {
        name: "model.layers.0.mlp.gate.weight",
        encoding: "F16",
        shape: [64, 256],
        data: [new Uint8Array(32768)],
      },
    ]);
    await sink.close();
    const gptq = await convert(store, "gptq:4bit-128g-sym");
    const claims = parseGptqConfig(json(gptq, "config.json"));
    expect(gptqModuleConfig(claims, "model.layers.0.self_attn.odd_proj")).toBeUndefined();
    expect(gptqModuleConfig(claims, "model.layers.0.self_attn.o_proj")).toMatchObject({ bits: 4 });
    const awq = await convert(store, "awq:gemm-128g");
    expect(
      awqQuantizesModule(parseAwqConfig(json(awq, "config.json")), "model.layers.0.self_attn.odd_proj"),
    ).toBe(false);
    const opened = await openModel({ store: gptq });
    expect(opened.tensor(extra).encoding).toBe("F16");
    // a router is no linear layer
    expect(opened.tensor("model.layers.0.mlp.gate.weight").encoding).toBe("F16");
  });
});

describe("shards", () => {
  it("keep the parts of a weight together, and every tensor aligned", async () => {
    const out = await convert(await floatDirectory("BF16"), "gptq:4bit-128g-sym", 100_000);
    const index = parseShardIndex(
      out.files.get("model.safetensors.index.json") ?? new Uint8Array(0),
      defaultLimits,
      "index",
    );
    expect(new Set(index.weightMap.values()).size).toBeGreaterThan(3);
    for (const [module] of linearModules) {
      const files = ["qweight", "qzeros", "scales", "g_idx"].map((suffix) =>
        index.weightMap.get(`${module}.${suffix}`),
      );
      expect(new Set(files).size).toBe(1);
    }
    const single = await convert(await floatDirectory("BF16"), "gptq:4bit-128g-sym");
    const report = await verifyModels(await openModel({ store: out }), await openModel({ store: single }));
    expect(report.equal).toBe(true);
  });

  it.each([
    ["gptq:4bit-128g-sym"],
    ["exl2:4.5bpw-h6"],
    ["awq:gemm-128g"],
    ["compressed-tensors:3bit-64g-asym"],
  ])("%s: PyTorch can view every tensor where it lies", async (target) => {
    const set = await openSafetensors(await convert(await floatDirectory("F16"), target));
    const widths: Readonly<Record<string, number>> = { I64: 8, I32: 4, F32: 4, F16: 2, I16: 2 };
    // the header before the data is padded to 8
    for (const { name, encoding, byteOffset } of set.tensors) {
      expect([name, byteOffset % (widths[encoding] ?? 1)]).toEqual([name, 0]);
    }
  });

  it("are cut and joined without touching a part", async () => {
    const source = await convert(await floatDirectory("BF16"), "awq:gemm-128g");
    const model = await openModel({ store: source });
    const cut = memoryStore({ name: "cut" });
    await runPlan(await planModelSplit(model, { maxByteLength: 150_000 }), model, cut);
    const parts = await openModel({ store: cut });
    expect(parts.files.length).toBeGreaterThan(2);
    const joined = memoryStore({ name: "joined" });
    await runPlan(await planMerge(parts), parts, joined);
    const hashes = async (store: MemoryStore) =>
      new Map(
        (await hashModel(await openModel({ store }), { tensors: true })).tensors?.map(({ name, sha256 }) => [
          name,
          sha256,
        ]),
      );
    expect(await hashes(joined)).toEqual(await hashes(source));
    expect((await hashes(source)).has("model.layers.0.mlp.up_proj.qweight")).toBe(true);
  });
});

describe("targets", () => {
  it("are spelled in any order and case; what means nothing is refused", () => {
    expect(parseTarget("GPTQ:SYM-128g-4bit").settings).toMatchObject({ bits: 4, groupSize: 128, sym: true });
    expect(parseTarget("awq:llm-awq-64g").settings).toEqual({ version: "llm-awq", groupSize: 64 });
    expect(parseTarget("exl2:4.65bpw-h8").settings).toEqual({ bits: 4.65, headBits: 8 });
    for (const wrong of [
      "gptq:9bit",
      "gptq:4bit-4bit",
      "gptq:8bit-marlin",
      "gptq:4bit-planar",
      "awq:3bit",
      "awq:gemm-sym",
      "exl2:h6",
      "exl2:1.0bpw",
      "exl2:4bpw-h7",
      "compressed-tensors:4bit-v2",
      "gguf:auto-f32",
    ]) {
      expect(() => parseTarget(wrong), wrong).toThrow();
    }
  });

  it("of every listed spelling exist", () => {
    for (const target of listTargets()) expect(parseTarget(target).text).toBe(target);
  });

  it("a rate that no mix reaches is refused", async () => {
    const model = await openModel({ store: await floatDirectory("BF16") });
    await expect(planConversion(model, parseTarget("exl2:2bpw-h6"))).rejects.toMatchObject({
      code: "CONVERSION",
      message: expect.stringMatching(/smallest mix takes/),
    });
  });
});

describe("fake quantization", () => {
  it.each([["gptq:4bit-128g-sym"], ["gguf:q4_0"], ["awq:gemm-128g"], ["exl2:4.5bpw-h6"]])(
    "through %s equals the way there and back",
    async (target) => {
      const source = await floatDirectory("BF16");
      const model = await openModel({ store: source });
      const fake = memoryStore({ name: "fake" });
      const report = await runPlan(
        await planFakeQuantize(model, parseTarget(target), {
          pure: target.startsWith("gguf") ? true : undefined,
        }),
        model,
        fake,
      );
      expect(report.target.text).toBe(`safetensors:f32 through ${target}`);
      const there = memoryStore({ name: "there" });
      const plan = await planConversion(model, parseTarget(target), {
        pure: target.startsWith("gguf") ? true : undefined,
        outputName: "x",
      });
      await runPlan(plan, model, there);
      const file = [...there.files.keys()].find((name) => name.endsWith(".gguf"));
      const verified = await verifyModels(
        await openModel({ store: fake }),
        await openModel({ store: there, file }),
      );
      expect(verified.tensors.filter(({ equal }) => !equal).map(({ name }) => name)).toEqual([]);
      expect(verified.equal).toBe(true);
    },
  );

  it("of an EXL2 directory is a float model as well", async () => {
    const model = await openModel({ store: await exl2Directory([4, 3], true) });
    const out = memoryStore({ name: "fake" });
    await runPlan(await planFakeQuantize(model, parseTarget("gguf:q8_0"), { dtype: "F16" }), model, out);
    expect((await openModel({ store: out })).tensor("model.layers.0.mlp.up_proj.weight").encoding).toBe(
      "F16",
    );
    expect(json(out, "config.json")["quantization_config"]).toBeUndefined();
  });
});

describe("biases of zeros, as AutoGPTQ writes them", () => {
  it("do not keep a model from becoming a GGUF", async () => {
    const source = await packedDirectory("gptq", ["4bit", "128g", "sym"], {
      bits: 4,
      groupSize: 128,
      sym: true,
    });
    const set = await openSafetensors(source);
    const store = memoryStore({ name: "biased" });
    for (const [name, bytes] of source.files)
      if (!name.endsWith(".safetensors")) store.files.set(name, bytes);
    const tensors = await Promise.all(
      set.tensors.map(async (tensor) => ({
        name: tensor.name,
        encoding: tensor.encoding,
        shape: tensor.shape,
        data: [(await set.read(tensor, 0, tensor.byteLength)).slice()],
      })),
    );
    const sink = await store.create("model.safetensors");
    const biases = linearModules.map(([module, rows]) => ({
      name: `${module}.bias`,
      encoding: "F16",
      shape: [rows],
      data: [new Uint8Array(2 * rows)],
    }));
    await writeSafetensors(sink, [...tensors, ...biases]);
    await sink.close();
    const model = await openModel({ store });
    const plan = await planConversion(model, parseTarget("gguf:auto"));
    const names = plan.tensors.map(({ name }) => name);
    expect(names).toContain("blk.0.ffn_down.weight");
    for (const { name, reason } of plan.leftOut) {
      expect([name, reason]).toEqual([
        expect.stringMatching(/\.bias$/),
        expect.stringMatching(/bias of zeros/),
      ]);
    }
    expect(names.filter((name) => name.endsWith(".bias")).length + plan.leftOut.length).toBe(
      linearModules.length,
    );
  });
});

describe("--llamafy", () => {
  it("of a packed model keeps its integers", async () => {
    const source = await packedDirectory("gptq", ["4bit", "128g", "sym"], {
      bits: 4,
      groupSize: 128,
      sym: true,
    });
    const mistral = memoryStore({ name: "mistral" });
    for (const [name, bytes] of source.files) mistral.files.set(name, bytes);
    const renamed = {
      ...json(source, "config.json"),
      architectures: ["MistralForCausalLM"],
      model_type: "mistral",
    };
    mistral.files.set("config.json", new TextEncoder().encode(JSON.stringify(renamed)));
    const model = await openModel({ store: mistral });
    for (const target of ["awq:gemm-128g", "gptq:4bit-128g-sym", "gguf:auto"]) {
      const plan = await planConversion(model, parseTarget(target), {
        llamafy: true,
        exact: true,
        outputName: "x",
      });
      const out = memoryStore({ name: `llama-${target.replace(":", "-")}` });
      await runPlan(plan, model, out);
      const file = [...out.files.keys()].find((name) => name.endsWith(".gguf"));
      const report = await verifyModels(
        await openModel({ store: source }),
        await openModel({ store: out, file }),
      );
      expect(report.equal, target).toBe(true);
    }
  });
});
