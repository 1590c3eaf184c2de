/**
 * MLX directories as sources and targets. Oracle of the values: codes, scales and biases that this test takes apart itself,
 * with mlx's formula; of what is written: mlx-lm's own reading rules.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BF16, F16, type MemoryStore, memoryStore, type ReadStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { writeSafetensors } from "@requant/safetensors";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { sha256 } from "../../../../fixtures/linear-cases.ts";
import {
  examineModel,
  type Model,
  openModel,
  type Plan,
  parseTarget,
  planConversion,
  runPlan,
  verifyModels,
} from "../../src/index.ts";
import { config, floatDirectory, packedDirectory } from "./packed-models.ts";

interface Converted {
  readonly plan: Plan;
  readonly store: MemoryStore;
  readonly model: Model;
}

async function convert(source: Model, target: string, options: object = {}): Promise<Converted> {
  const plan = await planConversion(source, parseTarget(target), options);
  const store = memoryStore({ name: target.replace(":", "-") });
  await runPlan(plan, source, store);
  const gguf = [...store.files.keys()].find((name) => name.endsWith(".gguf"));
  return { plan, store, model: await openModel({ store, file: gguf }) };
}

async function opened(store: ReadStore & { readonly files?: MemoryStore["files"] }): Promise<Model> {
  const file = [...(store.files?.keys() ?? [])].find((name) => name.endsWith(".gguf"));
  return openModel({ store, file });
}

function textOf(store: MemoryStore, name: string): Record<string, unknown> {
  const bytes = store.files.get(name);
  if (bytes === undefined) throw new Error(`${name} is missing.`);
  return z.record(z.string(), z.unknown()).parse(JSON.parse(new TextDecoder().decode(bytes)));
}

/** Ways and fidelities of the packed weights, each once. */
function fidelities({ tensors }: Plan, type: RegExp): string[] {
  const packed = tensors.filter(({ to }) => type.test(to));
  expect(packed.length).toBeGreaterThan(0);
  return [...new Set(packed.map(({ fidelity, way }) => `${fidelity} ${way.kind}`))];
}

const numbersOf = ({ encoding }: { readonly encoding: string }, bytes: Uint8Array): Float32Array => {
  if (encoding === "F32") return new Float32Array(bytes.slice().buffer);
  const out = new Float32Array(bytes.length / 2);
  (encoding === "F16" ? F16 : BF16).dequantize(bytes, out);
  return out;
};

/** The values of an affine weight, one bit of the stream at a time: f32(f32(q × s) + b). */
async function affineValues(
  model: Model,
  module: string,
): Promise<{ readonly values: Float32Array; readonly roundedTwice: Float32Array }> {
  const parts = new Map(model.tensor(`${module}.weight`).linear?.parts.map((part) => [part.suffix, part]));
  const [weight, scales, biases] = ["weight", "scales", "biases"].map((suffix) => parts.get(suffix));
  if (!weight || !scales || !biases) throw new Error(`${module} is not affine.`);
  const read = (part: typeof weight) => model.readBytes(part.name, 0, part.byteLength);
  const words = (await read(weight)).slice();
  const s = numbersOf(scales, await read(scales));
  const b = numbersOf(biases, await read(biases));
  const { shape } = model.tensor(`${module}.weight`);
  const [rows = 0, columns = 0] = shape;
  const bits = (8 * words.length) / (rows * columns);
  const groups = s.length / rows;
  const size = columns / groups;
  const values = new Float32Array(rows * columns);
  const products = new Float32Array(rows * columns);
  for (let i = 0; i < values.length; i++) {
    let code = 0;
    for (let bit = 0; bit < bits; bit++) {
      const at = i * bits + bit;
      code += (((words[at >> 3] ?? 0) >> (at & 7)) & 1) * 2 ** bit;
    }
    const group = Math.floor(i / columns) * groups + Math.floor((i % columns) / size);
    products[i] = code * (s[group] ?? 0);
    values[i] = (products[i] ?? 0) + (b[group] ?? 0);
  }
  const narrow = (all: Float32Array): Float32Array => {
    const bytes = new Uint8Array(2 * all.length);
    BF16.quantize?.(all, columns, bytes);
    return numbersOf({ encoding: "BF16" }, bytes);
  };
  const sums = narrow(products).map((product, i) => {
    const group = Math.floor(i / columns) * groups + Math.floor((i % columns) / size);
    return product + (b[group] ?? 0);
  });
  return { values, roundedTwice: narrow(sums) };
}

const golden = process.env["REQUANT_GOLDEN"];
const neighbours = golden === undefined ? undefined : join(golden, "neighbours");
const mixed = neighbours === undefined ? "" : join(neighbours, "models/mlx-4bit-mixed");

describe.skipIf(!existsSync(mixed))("a model by mlx-lm (skipped where REQUANT_GOLDEN is not set)", () => {
  it("has mlx's values where they are rounded as mlx does, and those of the formula in f32", async () => {
    const schema = z.object({
      models: z.array(
        z.looseObject({ id: z.string(), weights: z.record(z.string(), z.object({ sha256: z.string() })) }),
      ),
    });
    const manifest = schema.parse(
      JSON.parse(await readFile(join(neighbours ?? "", "manifest.json"), "utf8")),
    );
    const weights = manifest.models.find(({ id }) => id === "mlx-4bit-mixed")?.weights ?? {};
    const model = await openModel({ store: directoryStore(mixed) });
    // the configuration gives each module its width, so nothing contradicts it
    expect((await examineModel({ store: directoryStore(mixed) })).findings).toEqual([]);
    let seen = 0;
    for (const { name, linear, shape } of model.tensors) {
      if (linear === undefined) continue;
      const { values, roundedTwice } = await affineValues(model, linear.module);
      const bytes = new Uint8Array(2 * values.length);
      BF16.quantize?.(roundedTwice, shape[1] ?? 1, bytes);
      expect(sha256(bytes), name).toBe(weights[name]?.sha256);
      const own = new Float32Array(values.length);
      await model.weight(name).readRows(0, shape[0] ?? 0, own);
      expect(sha256(own), name).toBe(sha256(values));
      seen++;
    }
    expect(seen).toBe(14);
    await model.close();
  });

  it("becomes Q4_1 where it has 4 bits, and F32 where it has 6 or 8", async () => {
    const source = await openModel({ store: directoryStore(mixed) });
    const { plan, model } = await convert(source, "gguf:auto");
    const types = plan.tensors.map(({ from, to, fidelity }) => `${from} ${to} ${fidelity}`);
    expect([...new Set(types.filter((text) => text.startsWith("MLX")))].sort()).toEqual([
      "MLX-4bit-64g Q4_1 exact",
      "MLX-6bit-32g F32 exact",
      "MLX-8bit-64g F32 exact",
    ]);
    expect(await verifyModels(source, model)).toMatchObject({ equal: true });
    await source.close();
  });

  it("becomes the same Q4_K_M as the floats that it means", async () => {
    const source = await openModel({ store: directoryStore(mixed) });
    const direct = await convert(source, "gguf:q4_k_m");
    const floats = await convert(source, "safetensors:f32");
    const twin = await convert(floats.model, "gguf:q4_k_m");
    expect(direct.model.tensors).toHaveLength(20);
    for (const { name, encoding, byteLength } of direct.model.tensors) {
      expect(twin.model.tensor(name).encoding, name).toBe(encoding);
      const bytes = (await direct.model.readBytes(name, 0, byteLength)).slice();
      expect(sha256(bytes), name).toBe(sha256((await twin.model.readBytes(name, 0, byteLength)).slice()));
    }
    await source.close();
  });
});

describe("integers that MLX keeps", () => {
  const symmetric = { bits: 4, groupSize: 128, sym: true } as const;

  it.each([
    ["gptq", "4bit-128g-sym-v1", symmetric, "mlx:4bit-128g", "F16"],
    ["gptq", "8bit-64g-sym-v1", { bits: 8, groupSize: 64, sym: true }, "mlx:8bit-64g", "F16"],
    ["gptq", "3bit-32g-sym-v1", { bits: 3, groupSize: 32, sym: true }, "mlx:3bit-32g", "F16"],
    ["compressed-tensors", "5bit-64g-sym", { bits: 5, groupSize: 64, sym: true }, "mlx:5bit-64g", "F16"],
    ["awq", "gemm-32g", { bits: 4, groupSize: 32, sym: false }, "mlx:4bit-32g-f32-scales", "F32"],
  ] as const)("%s:%s", async (format, words, view, target, scale) => {
    const source = await opened(await packedDirectory(format, words.split("-"), view));
    const { plan, model } = await convert(source, target, { exact: true });
    expect(fidelities(plan, /^MLX/)).toEqual(["exact view"]);
    expect(model.tensors.find(({ linear }) => linear)?.linear?.parts[1]?.encoding).toBe(scale);
    expect(await verifyModels(source, model)).toMatchObject({ equal: true });
    // and back, where the offsets turn out to be whole multiples of the scales
    const back = await convert(model, `${format}:${words}`, { exact: true });
    expect(await verifyModels(source, back.model)).toMatchObject({ equal: true });
  });

  it("refuses zero points whose product with the scale no f16 number is, and names a type that holds them", async () => {
    const source = await opened(
      await packedDirectory("awq", ["gemm", "32g"], { bits: 4, groupSize: 32, sym: false }),
    );
    await expect(planConversion(source, parseTarget("mlx:4bit-32g"), { exact: true })).rejects.toMatchObject({
      code: "CONVERSION",
      message: expect.stringMatching(/stores scale × zero point as one f16 number/),
    });
    const { plan, model } = await convert(source, "mlx:4bit-32g");
    expect(fidelities(plan, /^MLX/)).toEqual(["rounded view"]);
    expect((await verifyModels(source, model)).tensors.length).toBeGreaterThan(0);
  });

  it.each([
    ["q4_0", "mlx:4bit-32g", "Q4_1"],
    ["q8_0", "mlx:8bit-32g", "Q8_0"],
    ["q4_1", "mlx:4bit-32g", "Q4_1"],
    ["q5_1", "mlx:5bit-32g", "Q5_1"],
    ["q5_0", "mlx:5bit-32g", "Q5_1"],
  ])("gguf:%s", async (type, target, back) => {
    const floats = await opened(await floatDirectory("F32"));
    const { model: source } = await convert(floats, `gguf:${type}`, { outputName: "o.gguf", pure: true });
    const { plan, model } = await convert(source, target, { exact: true });
    expect(fidelities(plan, /^MLX/)).toEqual(["exact view"]);
    expect(await verifyModels(source, model)).toMatchObject({ equal: true });
    const again = await convert(model, "gguf:auto", { exact: true });
    expect(await verifyModels(source, again.model)).toMatchObject({ equal: true });
    const types = new Set(again.plan.tensors.map(({ to }) => to));
    // 8 bits beside a bias fit no block of ggml, where no look shows that the bias is −128 scales
    expect(types.has(back) || back === "Q8_0").toBe(true);
  });
});

describe("a directory as mlx-lm writes it", () => {
  it("packs embeddings and head, and has index, metadata and both keys of the configuration", async () => {
    const source = await opened(await floatDirectory("BF16"));
    const { model, store, plan } = await convert(source, "mlx:4bit-64g");
    const settings = { group_size: 64, bits: 4, mode: "affine" };
    expect(textOf(store, "config.json")).toMatchObject({
      quantization: settings,
      quantization_config: settings,
    });
    const index = z
      .object({ weight_map: z.record(z.string(), z.string()) })
      .parse(textOf(store, "model.safetensors.index.json"));
    expect(index.weight_map["model.embed_tokens.scales"]).toBe("model.safetensors");
    expect(model.hf?.fileMetadata).toEqual({ format: "mlx" });
    const packed = model.tensors.filter(({ linear }) => linear !== undefined).map(({ name }) => name);
    expect(packed).toContain("model.embed_tokens.weight");
    expect(packed).toContain("lm_head.weight");
    expect(packed).toHaveLength(9);
    // scales have the type of the model
    expect(model.storedTensors.find(({ name }) => name === "lm_head.scales")?.encoding).toBe("BF16");
    expect(plan.findings.map(({ code }) => code)).toContain("rounded-to-nearest");
  });

  it("leaves layers in floats whose rows are not whole groups", async () => {
    const values = Float32Array.from({ length: 64 * 96 }, (_, i) => Math.sin(i));
    const bytes = new Uint8Array(values.buffer);
    const store = memoryStore({ name: "narrow" });
    const tensors = [
      embeddingOf(64),
      { name: "model.layers.0.mlp.up_proj.weight", encoding: "F32" as const, shape: [96, 64], bytes },
      { name: "model.layers.0.mlp.down_proj.weight", encoding: "F32" as const, shape: [64, 96], bytes },
    ];
    await writeInto(store, tensors, { ...config, hidden_size: 64, intermediate_size: 96 });
    const { model, plan } = await convert(await opened(store), "mlx:4bit-64g");
    expect(model.tensors.map(({ name, encoding }) => [name, encoding]).sort()).toEqual([
      ["model.embed_tokens.weight", "MLX-4bit-64g"],
      ["model.layers.0.mlp.down_proj.weight", "F32"],
      ["model.layers.0.mlp.up_proj.weight", "MLX-4bit-64g"],
    ]);
    expect(plan.findings.map(({ message }) => message).join(" ")).toMatch(
      /96 columns are not whole groups of 64/,
    );
  });

  it("refuses words that contradict the mode", () => {
    expect(() => parseTarget("mlx:nvfp4-32g")).toThrow(/groups of 16, not of 32/);
    expect(() => parseTarget("mlx:mxfp4-f16-scales")).toThrow(/scales of 8 bits, not F16/);
    expect(() => parseTarget("mlx:7bit")).toThrow(/not a word of this target/);
  });
});

/** A checkpoint without an embedding is not complete, so every checkpoint here has one. */
function embeddingOf(columns: number): FloatTensor {
  const bytes = new Uint8Array(config.vocab_size * columns * 4);
  return { name: "model.embed_tokens.weight", encoding: "F32", shape: [config.vocab_size, columns], bytes };
}

interface FloatTensor {
  readonly name: string;
  readonly encoding: "F32";
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

async function writeInto(store: MemoryStore, tensors: readonly FloatTensor[], json: object): Promise<void> {
  const sink = await store.create("model.safetensors");
  await writeSafetensors(
    sink,
    tensors.map(({ bytes, ...tensor }) => ({ ...tensor, data: [bytes] })),
  );
  await sink.close();
  store.files.set("config.json", new TextEncoder().encode(JSON.stringify(json)));
}

/** Mixtral's experts, stacked as mlx-lm stores them. Oracle: the experts one by one, under Hugging Face's names. */
describe("stacks of experts", () => {
  const EXPERTS = 3;
  const [rows, columns] = [64, 64];
  const expertConfig = {
    ...config,
    hidden_size: columns,
    intermediate_size: rows,
    architectures: ["MixtralForCausalLM"],
    model_type: "mixtral",
    num_local_experts: EXPERTS,
  };
  const expert = (number: number, part: number): Float32Array =>
    Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * (number + 1) + part));
  const block = "model.layers.0.block_sparse_moe";
  const projections = [
    ["gate_proj", "w1"],
    ["down_proj", "w2"],
    ["up_proj", "w3"],
  ] as const;

  async function floatStacks(): Promise<Model> {
    const store = memoryStore({ name: "stacks" });
    const tensors = projections.map(([name], part): FloatTensor => {
      const all = new Float32Array(EXPERTS * rows * columns);
      for (let number = 0; number < EXPERTS; number++) all.set(expert(number, part), number * rows * columns);
      const bytes = new Uint8Array(all.buffer);
      return {
        name: `${block}.switch_mlp.${name}.weight`,
        encoding: "F32",
        shape: [EXPERTS, rows, columns],
        bytes,
      };
    });
    await writeInto(store, [embeddingOf(columns), ...tensors], expertConfig);
    return opened(store);
  }

  async function singleExperts(): Promise<Model> {
    const store = memoryStore({ name: "experts" });
    const tensors = projections.flatMap(([, name], part) =>
      Array.from({ length: EXPERTS }, (_, number): FloatTensor => {
        const bytes = new Uint8Array(expert(number, part).buffer);
        return {
          name: `${block}.experts.${number}.${name}.weight`,
          encoding: "F32",
          shape: [rows, columns],
          bytes,
        };
      }),
    );
    await writeInto(store, [embeddingOf(columns), ...tensors], expertConfig);
    return opened(store);
  }

  it("stay stacks in MLX, with the codes of each expert", async () => {
    const { model: stacked } = await convert(await floatStacks(), "mlx:4bit-64g");
    const { model: single, plan } = await convert(await singleExperts(), "mlx:4bit-64g");
    expect(plan.findings.some(({ message }) => message.startsWith("Experts are written one by one"))).toBe(
      true,
    );
    for (const [name, own] of projections) {
      const stack = stacked.tensor(`${block}.switch_mlp.${name}.weight`);
      expect([stack.encoding, stack.shape]).toEqual(["MLX-4bit-64g", [EXPERTS, rows, columns]]);
      for (let number = 0; number < EXPERTS; number++) {
        const expected = new Float32Array(rows * columns);
        await single.weight(`${block}.experts.${number}.${own}.weight`).readRows(0, rows, expected);
        const found = new Float32Array(rows * columns);
        await stacked.weight(stack.name).readRows(number * rows, (number + 1) * rows, found);
        expect(found).toEqual(expected);
      }
    }
  });

  it("become single experts in a format that has no stacks", async () => {
    const { model: stacked } = await convert(await floatStacks(), "mlx:8bit-64g");
    const { model } = await convert(stacked, "gptq:8bit-64g-asym");
    expect(
      model.tensors
        .map(({ name }) => name)
        .filter((name) => name.includes("experts.2."))
        .sort(),
    ).toEqual([
      `${block}.experts.2.w1.weight`,
      `${block}.experts.2.w2.weight`,
      `${block}.experts.2.w3.weight`,
    ]);
    const first = model.tensors.find(({ name }) => name.includes("experts."));
    expect(first).toMatchObject({ encoding: "GPTQ-8bit-colg", shape: [rows, columns] });
  });
});
