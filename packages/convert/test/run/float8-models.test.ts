/**
 * FP8 checkpoints of every writer, converted. Oracles: the hashes of llama.cpp's converter in the golden set; the same
 * weights as floats, made by the formula that all writers share, on the way that other tests hold against the converter.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type MemoryStore, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { describe, expect, it } from "vitest";
import {
  type Model,
  openModel,
  type Plan,
  type PlanOptions,
  parseTarget,
  planConversion,
  runPlan,
  verifyModels,
} from "../../src/index.ts";
import { type Float8Writer, float8Directories } from "../float8-directory.ts";
import { readWeights, type Weights } from "../hf-directory.ts";
import { configOf, floatDirectory, type LayerSize, linearModules, tokenizer } from "./packed-models.ts";

interface Converted {
  readonly plan: Plan;
  readonly model: Model;
  readonly store: MemoryStore;
}

async function converted(store: MemoryStore, target: string, options: PlanOptions = {}): Promise<Converted> {
  const source = await openModel({ store });
  const output = memoryStore({ name: `made-of-${source.name}` });
  const plan = await planConversion(source, parseTarget(target), options);
  await runPlan(plan, source, output);
  const file = target.startsWith("gguf") ? { file: plan.files[0]?.name ?? "" } : {};
  return { plan, store: output, model: await openModel({ store: output, ...file }) };
}

/** Every tensor: name, type and hash of its bytes. */
async function hashesOf(model: Model): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const { name, encoding, byteLength } of model.tensors) {
    const bytes = await model.readBytes(name, 0, byteLength);
    hashes[name] = `${encoding} ${createHash("sha256").update(bytes).digest("hex")}`;
  }
  return hashes;
}

const golden = process.env["REQUANT_GOLDEN"];
const neighbours = golden === undefined ? "" : join(golden, "neighbours");
describe.skipIf(golden === undefined || !existsSync(neighbours))(
  "a directory in blocks of 128 with short ones (skipped: REQUANT_GOLDEN is not set)",
  () => {
    it.each(["f32", "bf16"])("has the tensors of llama.cpp's converter in %s", async (type) => {
      const manifest = JSON.parse(readFileSync(join(neighbours, "manifest.json"), "utf8"));
      const expected: Record<string, readonly [type: string, shape: readonly number[], sha256: string]> =
        manifest["llama.cpp converter"].models["fp8-block128-ragged"][`--outtype ${type}`].tensors;
      const source = await openModel({
        store: directoryStore(join(neighbours, "models/fp8-block128-ragged")),
      });
      const output = memoryStore({ name: "output" });
      const plan = await planConversion(source, parseTarget(`gguf:${type}`));
      await runPlan(plan, source, output);
      await source.close();
      const made = await hashesOf(await openModel({ store: output, file: plan.files[0]?.name ?? "" }));
      expect(made).toEqual(
        Object.fromEntries(
          Object.entries(expected).map(([name, [own, , sha256]]) => [name, `${own} ${sha256}`]),
        ),
      );
    });
  },
);

const fp8Config = { quant_method: "fp8", activation_scheme: "dynamic", weight_block_size: [128, 128] };
const writers: Readonly<Record<string, Float8Writer>> = {
  "DeepSeek-V3, Qwen, GLM": {
    scaleName: "weight_scale_inv",
    block: [128, 128],
    scale: "F32",
    quantizationConfig: { ...fp8Config, fmt: "e4m3" },
  },
  "DeepSeek-V3.1": {
    scaleName: "weight_scale_inv",
    block: [128, 128],
    scale: "F8_E8M0",
    quantizationConfig: { ...fp8Config, scale_fmt: "ue8m0" },
  },
  "DeepSeek's own code": { scaleName: "scale", block: [128, 128], scale: "U8" },
  "blocks of other sizes, in BF16": {
    scaleName: "weight_scale_inv",
    block: [32, 64],
    scale: "BF16",
    quantizationConfig: { ...fp8Config, weight_block_size: [32, 64] },
  },
  "transformers, static": {
    scaleName: "weight_scale_inv",
    block: "weight",
    scale: "BF16",
    scaleShape: () => [],
    activationScales: ["activation_scale"],
    quantizationConfig: { ...fp8Config, activation_scheme: "static", weight_block_size: null },
  },
  AutoFP8: {
    scaleName: "weight_scale",
    block: "weight",
    scale: "F32",
    scaleShape: () => [1],
    activationScales: ["input_scale"],
    quantizationConfig: { quant_method: "fp8", activation_scheme: "static", ignored_layers: ["lm_head"] },
  },
  fbgemm: {
    scaleName: "weight_scale",
    block: "row",
    scale: "F32",
    activationScales: ["input_scale_ub"],
    quantizationConfig: {
      quant_method: "fbgemm_fp8",
      activation_scale_ub: 1200,
      modules_to_not_convert: ["lm_head"],
    },
  },
  ModelOpt: {
    scaleName: "weight_scale",
    block: "weight",
    scale: "F32",
    scaleShape: () => [],
    activationScales: ["input_scale"],
    quantizationConfig: { quant_method: "modelopt", quant_algo: "FP8", producer: { name: "modelopt" } },
  },
  "ModelOpt with its own file alone": {
    scaleName: "weight_scale",
    block: "weight",
    scale: "F32",
    scaleShape: () => [],
    activationScales: ["input_scale"],
    files: {
      "hf_quant_config.json": JSON.stringify({
        producer: { name: "modelopt", version: "0.25.0" },
        quantization: { quant_algo: "FP8", kv_cache_quant_algo: null, exclude_modules: ["lm_head"] },
      }),
    },
  },
  Mistral: {
    scaleName: "qscale_weight",
    block: "weight",
    scale: "BF16",
    scaleShape: () => [],
    activationScales: ["qscale_act"],
  },
  AutoRound: {
    scaleName: "weight_scale",
    block: "row",
    scale: "BF16",
    scaleShape: (rows) => [rows],
    quantizationConfig: {
      quant_method: "auto-round",
      packing_format: "auto_round:fp8",
      bits: 8,
      data_type: "fp",
      group_size: -1,
      sym: true,
    },
  },
};

/** The same with codes in E5M2. */
const e5m2Writers: Readonly<Record<string, Float8Writer>> = {
  "blocks of E5M2": {
    scaleName: "weight_scale_inv",
    block: [128, 128],
    scale: "F32",
    codes: "F8_E5M2",
    quantizationConfig: { ...fp8Config, fmt: "e5m2" },
  },
  "rows of E5M2": { scaleName: "weight_scale", block: "row", scale: "BF16", codes: "F8_E5M2" },
  "ComfyUI, E5M2": {
    scaleName: "weight_scale",
    block: "weight",
    scale: "F32",
    scaleShape: () => [],
    codes: "F8_E5M2",
  },
};
const allWriters = { ...writers, ...e5m2Writers };

const linear = new Set(linearModules.map(([module]) => `${module}.weight`));

/** Several blocks, and short ones, in few weights. */
const SIZE: LayerSize = { keyValueHeads: 1, feedForward: 256 };
const original = await floatDirectory("BF16", 1, SIZE);

type Directories = Awaited<ReturnType<typeof float8Directories>>;
const made = new Map<Float8Writer, Promise<Directories>>();

/** The directories of a writer, made once. */
function llama(writer: Float8Writer): Promise<Directories> {
  const known = made.get(writer) ?? makeLlama(writer);
  made.set(writer, known);
  return known;
}

async function makeLlama(writer: Float8Writer): Promise<Directories> {
  const store = original;
  const model = await openModel({ store });
  const weights: Weights = new Map();
  for (const { name, shape, encoding, byteLength } of model.tensors) {
    weights.set(name, { shape, encoding, bytes: (await model.readBytes(name, 0, byteLength)).slice() });
  }
  const sideFiles = { "tokenizer.json": JSON.stringify(tokenizer) };
  return float8Directories(weights, sideFiles, configOf(SIZE), writer, (name) => linear.has(name));
}

describe.each(Object.keys(allWriters))("as %s stores it", (name) => {
  const writer = allWriters[name] ?? writers["fbgemm"];
  if (writer === undefined) throw new Error("no writer");

  it.each(["gguf:q4_k_m", "gguf:f32", "gguf:bf16", "safetensors:f32"])(
    "%s is that of the floats",
    async (target) => {
      const { packed, floats } = await llama(writer);
      const [ours, theirs] = [await converted(packed, target), await converted(floats, target)];
      expect(await hashesOf(ours.model)).toEqual(await hashesOf(theirs.model));
    },
  );

  it("is opened without a warning, and the scales of activations are named", async () => {
    const model = await openModel({ store: (await llama(writer)).packed });
    expect(model.tensors.map(({ name: tensor }) => tensor).sort()).toEqual(
      (await openModel({ store: original })).tensors.map(({ name: tensor }) => tensor).sort(),
    );
    expect(model.findings.filter(({ severity }) => severity !== "note")).toEqual([]);
    const left = model.findings.filter(({ code }) => code === "packed-weights").map(({ message }) => message);
    expect(left).toEqual(
      writer.activationScales === undefined
        ? []
        : [expect.stringMatching(/^7 tensors are scales of activations, .*; the first is .*scale/)],
    );
  });
});

describe("scales that are powers of two", () => {
  const [powers, others] = [writers["DeepSeek-V3.1"], writers["DeepSeek-V3, Qwen, GLM"]];
  if (powers === undefined || others === undefined) throw new Error("no writer");
  const fidelities = ({ tensors }: Plan): string[] => [
    ...new Set(
      tensors.filter(({ from }) => from.startsWith("FP8")).map(({ to, fidelity }) => `${to} ${fidelity}`),
    ),
  ];

  it.each(["safetensors:bf16", "gguf:bf16", "gguf:auto"])("become BF16 exactly: %s", async (target) => {
    const { packed } = await llama(powers);
    const { plan, model } = await converted(packed, target, { exact: true });
    expect(fidelities(plan)).toEqual(["BF16 exact"]);
    const { tensors } = await verifyModels(await openModel({ store: packed }), model);
    expect(tensors.length).toBeGreaterThan(linear.size);
    expect(tensors.every(({ equal }) => equal)).toBe(true);
  });

  it("others do not, and the plan says so", async () => {
    const { packed } = await llama(others);
    expect(fidelities((await converted(packed, "safetensors:bf16")).plan)).toEqual(["BF16 float"]);
    expect(fidelities((await converted(packed, "gguf:auto")).plan)).toEqual(["F32 exact"]);
    await expect(converted(packed, "safetensors:bf16", { exact: true })).rejects.toMatchObject({
      code: "CONVERSION",
    });
  });
});

describe("latent attention and experts of DeepSeek-V3", () => {
  const path = fileURLToPath(new URL("../../../../fixtures/arch/DeepSeek-V2-tiny-Chat", import.meta.url));
  const text = (name: string): string => readFileSync(join(path, name), "utf8");
  const isPacked = (name: string): boolean =>
    name.endsWith("_proj.weight") || name.endsWith("_mqa.weight") || /_[ab]_proj\.weight$/.test(name);

  it.each(["gguf:f32", "gguf:q8_0", "gguf:q4_k_m"])("%s is that of the floats", async (target) => {
    const weights = await readWeights(path);
    // what V3 has besides V2
    weights.set("model.layers.1.mlp.gate.e_score_correction_bias", {
      shape: [4],
      encoding: "F32",
      bytes: new Uint8Array(Float32Array.of(0.5, -0.25, 0.125, 0).buffer),
    });
    const v3 = {
      ...JSON.parse(text("config.json")),
      architectures: ["DeepseekV3ForCausalLM"],
      model_type: "deepseek_v3",
      scoring_func: "sigmoid",
      topk_method: "noaux_tc",
      norm_topk_prob: true,
    };
    const sideFiles = Object.fromEntries(
      ["tokenizer.json", "tokenizer_config.json"].map((file) => [file, text(file)]),
    );
    const writer: Float8Writer = {
      scaleName: "weight_scale_inv",
      block: [16, 16],
      scale: "F32",
      quantizationConfig: { ...fp8Config, weight_block_size: [16, 16] },
    };
    const { packed, floats } = await float8Directories(weights, sideFiles, v3, writer, isPacked);
    const model = await openModel({ store: packed });
    expect(model.tensors.filter(({ linear: own }) => own !== undefined).length).toBeGreaterThan(20);
    const [ours, theirs] = [await converted(packed, target), await converted(floats, target)];
    expect(Object.keys(await hashesOf(ours.model))).toEqual(
      expect.arrayContaining([
        "blk.1.attn_k_b.weight",
        "blk.1.attn_v_b.weight",
        "blk.1.ffn_gate_exps.weight",
      ]),
    );
    expect(await hashesOf(ours.model)).toEqual(await hashesOf(theirs.model));
  });
});

describe("fp8 as a target", () => {
  it.each(["fp8:block-128", "fp8:block-32-ue8m0"])(
    "%s is read back to the values that were measured",
    async (target) => {
      const store = original;
      const { plan, model } = await converted(store, target);
      expect(
        new Set(plan.tensors.filter(({ linear: own }) => own !== undefined).map(({ to }) => to)),
      ).toEqual(new Set([`FP8-${target.split(":")[1]?.replace("-ue8m0", "")}`]));
      const { tensors } = await verifyModels(await openModel({ store }), model);
      // three bits of mantissa: at most one part in sixteen of each value, or of the smallest normal number
      for (const one of tensors) expect(one.relativeRmse ?? 0).toBeLessThan(1 / 32);
      const own = JSON.parse(new TextDecoder().decode((await openStored(model)) ?? new Uint8Array(0)));
      expect(own.quantization_config).toEqual({
        activation_scheme: "dynamic",
        fmt: "e4m3",
        modules_to_not_convert: ["lm_head"],
        quant_method: "fp8",
        weight_block_size: target.includes("32") ? [32, 32] : [128, 128],
        ...(target.includes("ue8m0") ? { scale_fmt: "ue8m0" } : {}),
      });
    },
  );

  it("rounds E5M2 codes to E4M3 and does not copy them", async () => {
    const [writer] = Object.values(e5m2Writers);
    if (writer === undefined) throw new Error("no writer");
    const { packed, floats } = await llama(writer);
    await expect(converted(packed, "fp8:block-128", { exact: true })).rejects.toMatchObject({
      code: "CONVERSION",
      message: expect.stringContaining("E5M2"),
    });
    const { plan, store } = await converted(packed, "fp8:block-128", { allowRequantize: true });
    const own = plan.tensors.filter(({ linear: target }) => target !== undefined);
    expect(new Set(own.map(({ from, to, fidelity }) => `${from} ${to} ${fidelity}`))).toEqual(
      new Set(["FP8-E5M2-block-128 FP8-block-128 requantized"]),
    );
    const theirs = await converted(floats, "fp8:block-128");
    expect(store.files.get("model.safetensors")).toEqual(theirs.store.files.get("model.safetensors"));
  });

  it("copies weights that are stored so already", async () => {
    const source = await converted(original, "fp8:block-128");
    const again = await converted(source.store, "fp8:block-128");
    expect(new Set(again.plan.tensors.map(({ fidelity }) => fidelity))).toEqual(new Set(["copy"]));
    expect(again.store.files.get("model.safetensors")).toEqual(source.store.files.get("model.safetensors"));
  });
});

async function openStored(model: Model): Promise<Uint8Array | undefined> {
  return (await model.hf?.sideFileBytes())?.get("config.json");
}
