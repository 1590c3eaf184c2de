/**
 * Weights of 4-bit floats on their way between formats: codes and scales are moved, never computed anew. Oracles: bytes and
 * values of the tools (golden set `neighbours`), llama.cpp's converter, and bytes that this test takes apart itself.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type MemoryStore, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { describe, expect, it, onTestFinished } from "vitest";
import { readTensors, sha256 } from "../../../../fixtures/linear-cases.ts";
import {
  type Model,
  openModel,
  type Plan,
  parseTarget,
  planConversion,
  runPlan,
  verifyModels,
} from "../../src/index.ts";
import { hfDirectory, type Weights } from "../hf-directory.ts";
import { config, tokenizer } from "./packed-models.ts";

const golden = process.env["REQUANT_GOLDEN"];
const neighbours = join(golden ?? "", "neighbours");
const hasGolden = golden !== undefined && existsSync(join(neighbours, "manifest.json"));

interface Manifest {
  readonly cases: readonly {
    readonly id: string;
    readonly format: string;
    readonly ref: { readonly sha256_f32: string };
  }[];
  readonly "llama.cpp converter": {
    readonly models: Readonly<
      Record<string, Readonly<Record<string, { readonly tensors: Readonly<Record<string, unknown>> }>>>
    >;
  };
}

const manifest = (): Manifest =>
  JSON.parse(readFileSync(join(neighbours, "manifest.json"), "utf8")) as Manifest;

interface Converted {
  readonly plan: Plan;
  readonly model: Model;
}

let outputs = 0;

async function convert(source: Model, target: string, exact = true): Promise<Converted> {
  const store = memoryStore({ name: `${++outputs} ${target}` });
  const isGguf = target.startsWith("gguf");
  const plan = await planConversion(source, parseTarget(target), {
    exact,
    ...(isGguf ? { outputName: "o" } : {}),
  });
  await runPlan(plan, source, store);
  return { plan, model: await openModel({ store, ...(isGguf ? { file: "o.gguf" } : {}) }) };
}

async function openDirectory(path: string): Promise<Model> {
  const model = await openModel({ store: directoryStore(path) });
  onTestFinished(() => model.close());
  return model;
}

async function bytesOf(model: Model, name: string): Promise<Uint8Array> {
  const tensor = model.storedTensors.find((one) => one.name === name);
  if (tensor === undefined) throw new Error(`${name} is missing.`);
  return (await model.readBytes(name, 0, tensor.byteLength)).slice();
}

/** What becomes of packed weights, each once. */
function waysOf({ tensors }: Plan, from: RegExp): string[] {
  const packed = tensors.filter((tensor) => from.test(tensor.from));
  return [...new Set(packed.map(({ to, fidelity, way }) => `${to} ${fidelity} ${way.kind}`))].sort();
}

async function expectSame(a: Model, b: Model): Promise<void> {
  const { equal, onlyInA, onlyInB } = await verifyModels(a, b);
  expect({ equal, onlyInA, onlyInB }).toEqual({ equal: true, onlyInA: [], onlyInB: [] });
}

const DOWN = "model.layers.0.mlp.down_proj";

/** A Llama whose down projection is stored by a tool, and everything else zeros in BF16. */
async function withDownProjection(
  [hidden, inner]: readonly [number, number],
  parts: Weights,
  quantization: object,
): Promise<MemoryStore> {
  const zeros = (shape: readonly number[]) => ({
    shape,
    encoding: "BF16",
    bytes: new Uint8Array(2 * shape.reduce((product, size) => product * size, 1)),
  });
  const weights: Weights = new Map();
  const layer = "model.layers.0";
  for (const [name, shape] of [
    ["model.embed_tokens.weight", [64, hidden]],
    ["lm_head.weight", [64, hidden]],
    ["model.norm.weight", [hidden]],
    [`${layer}.input_layernorm.weight`, [hidden]],
    [`${layer}.post_attention_layernorm.weight`, [hidden]],
    ...["q", "k", "v", "o"].map(
      (part) => [`${layer}.self_attn.${part}_proj.weight`, [hidden, hidden]] as const,
    ),
    ...["gate", "up"].map((part) => [`${layer}.mlp.${part}_proj.weight`, [inner, hidden]] as const),
  ] as const)
    weights.set(name, zeros(shape));
  for (const [suffix, tensor] of parts) weights.set(`${DOWN}.${suffix}`, tensor);
  const sizes = {
    hidden_size: hidden,
    intermediate_size: inner,
    num_attention_heads: 1,
    num_key_value_heads: 1,
  };
  return hfDirectory(weights, {
    "config.json": JSON.stringify({ ...config, ...sizes, ...quantization }),
    "tokenizer.json": JSON.stringify(tokenizer),
    "tokenizer_config.json": JSON.stringify({ tokenizer_class: "PreTrainedTokenizerFast" }),
  });
}

/** Blocks of GGUF from codes in the order of columns: a scale byte, then codes 0 to 15 in low nibbles, 16 to 31 in high ones. */
function mxfp4Blocks(pairs: Uint8Array, scales: Uint8Array): Uint8Array {
  const code = (index: number): number => ((pairs[index >> 1] ?? 0) >> (4 * (index & 1))) & 15;
  return Uint8Array.from({ length: 17 * scales.length }, (_, at) => {
    const [block, byte] = [Math.floor(at / 17), at % 17];
    if (byte === 0) return scales[block] ?? 0;
    const first = 32 * block + byte - 1;
    return code(first) | (code(first + 16) << 4);
  });
}

const ctQuantization = (format: string, groupSize: number): object => ({
  quantization_config: {
    quant_method: "compressed-tensors",
    format,
    config_groups: {
      group_0: {
        targets: ["Linear"],
        format,
        weights: { num_bits: 4, type: "float", symmetric: true, strategy: "group", group_size: groupSize },
      },
    },
    ignore: ["lm_head"],
    version: "0.19.0",
  },
});

describe.skipIf(!hasGolden)("MXFP4 that tools wrote (skipped: REQUANT_GOLDEN is not set)", () => {
  const sources = [
    {
      name: "compressed-tensors",
      file: "ct/mxfp4.safetensors",
      format: "compressed-tensors/mxfp4-pack-quantized",
      size: [96, 160],
      parts: ["weight_packed", "weight_scale"],
      quantization: ctQuantization("mxfp4-pack-quantized", 32),
    },
    {
      name: "MLX",
      file: "mlx/mxfp4.safetensors",
      format: "mlx/mxfp4",
      size: [48, 192],
      parts: ["weight", "scales"],
      quantization: { quantization: { group_size: 32, bits: 4, mode: "mxfp4" } },
    },
  ] as const;

  it.each(sources)(
    "of $name: gguf:auto moves every code",
    async ({ file, format, size, parts, quantization }) => {
      const stored = readTensors(join(neighbours, file));
      const source = await openModel({
        store: await withDownProjection(size, new Map(stored), quantization),
      });
      const { plan, model } = await convert(source, "gguf:auto");
      expect(waysOf(plan, /mxfp4/i)).toEqual(["MXFP4 exact view"]);
      const [codes, scales] = parts.map((part) => stored.get(part)?.bytes ?? new Uint8Array(0));
      const blocks = mxfp4Blocks(codes ?? new Uint8Array(0), scales ?? new Uint8Array(0));
      expect(sha256(await bytesOf(model, "blk.0.ffn_down.weight"))).toBe(sha256(blocks));
      const [rows, columns] = size;
      const values = new Float32Array(rows * columns);
      await model.weight("blk.0.ffn_down.weight").readRows(0, rows, values);
      const own = manifest().cases.find((one) => one.id === "mxfp4" && one.format === format);
      // ggml has no −0
      const expected = new Float32Array(values.length);
      await source.weight(`${DOWN}.weight`).readRows(0, rows, expected);
      expect(sha256(expected)).toBe(own?.ref.sha256_f32);
      expect(values.findIndex((value, i) => value !== expected[i])).toBe(-1);
    },
  );

  it.each(sources)(
    "of $name: to the other layouts and back, part by part",
    async ({ file, size, parts, quantization }) => {
      const stored = readTensors(join(neighbours, file));
      const source = await openModel({
        store: await withDownProjection(size, new Map(stored), quantization),
      });
      const [codes, scales] = parts.map((part) => stored.get(part)?.bytes ?? new Uint8Array(0));
      const gguf = await convert(source, "gguf:auto");
      for (const from of [source, gguf.model]) {
        for (const [target, names] of [
          ["compressed-tensors:mxfp4", ["weight_packed", "weight_scale"]],
          ["mlx:mxfp4", ["weight", "scales"]],
        ] as const) {
          const { plan, model } = await convert(from, target, false);
          const down = plan.tensors.find(({ name }) => name.startsWith(DOWN));
          expect(["exact", "copy"], `${target}: ${down?.reason}`).toContain(down?.fidelity);
          expect(await bytesOf(model, `${DOWN}.${names[0]}`)).toEqual(codes);
          expect(await bytesOf(model, `${DOWN}.${names[1]}`)).toEqual(scales);
        }
      }
    },
  );
});

describe.skipIf(!hasGolden)("NVFP4 of compressed-tensors (skipped: REQUANT_GOLDEN is not set)", () => {
  const folder = join(neighbours, "models", "ct-nvfp4");

  it.each(["f32", "bf16"])("gguf:%s has the tensors of llama.cpp's converter, in its order", async (type) => {
    const expected = manifest()["llama.cpp converter"].models["ct-nvfp4"]?.[`--outtype ${type}`];
    const { model } = await convert(await openDirectory(folder), `gguf:${type}`, false);
    const tensors = await Promise.all(
      model.storedTensors.map(async ({ name, encoding, shape }) => [
        name,
        [encoding, [...shape].reverse(), sha256(await bytesOf(model, name))],
      ]),
    );
    expect(tensors).toEqual(Object.entries(expected?.tensors ?? {}));
  });

  it("gguf:auto keeps every value, in a float type where the reciprocal of the global scale would change some", async () => {
    const source = await openDirectory(folder);
    const { plan, model } = await convert(source, "gguf:auto");
    expect(waysOf(plan, /nvfp4/i)).toEqual(["F32 exact floats", "NVFP4 exact view"]);
    await expectSame(source, model);
  });
});

/** Blocks of 16 codes with a scale (E4M3), two codes in a byte, in the order of a formula without a pattern. */
function nvfp4Parts(rows: number, columns: number): { pairs: Uint8Array; scales: Uint8Array } {
  const mixed = (index: number, most: number): number =>
    Math.floor(((index * 2654435761) % 2 ** 32) / 2 ** 7) % most;
  return {
    pairs: Uint8Array.from({ length: (rows * columns) / 2 }, (_, i) => mixed(i, 256)),
    scales: Uint8Array.from({ length: (rows * columns) / 16 }, (_, i) => mixed(i + 7, 0x7f)),
  };
}

describe("NVFP4 between the layouts", () => {
  const size = [64, 128] as const;
  const [rows, columns] = size;
  const { pairs, scales } = nvfp4Parts(rows, columns);
  const f32 = (value: number) => ({
    shape: [1],
    encoding: "F32",
    bytes: new Uint8Array(Float32Array.of(value).buffer),
  });
  const ct = (global: number): Weights =>
    new Map([
      ["weight_packed", { shape: [rows, columns / 2], encoding: "U8", bytes: pairs }],
      ["weight_scale", { shape: [rows, columns / 16], encoding: "F8_E4M3", bytes: scales }],
      ["weight_global_scale", f32(global)],
    ]);
  const modelopt = (scale: number): Weights =>
    new Map([
      ["weight", { shape: [rows, columns / 2], encoding: "U8", bytes: pairs }],
      ["weight_scale", { shape: [rows, columns / 16], encoding: "F8_E4M3", bytes: scales }],
      ["weight_scale_2", { ...f32(scale), shape: [] }],
    ]);
  const ofCt = (global: number) =>
    withDownProjection(size, ct(global), ctQuantization("nvfp4-pack-quantized", 16));
  const ofModelOpt = (scale: number) =>
    withDownProjection(size, modelopt(scale), {
      quantization_config: {
        quant_method: "modelopt",
        quant_algo: "NVFP4",
        group_size: 16,
        ignore: ["lm_head"],
      },
    });
  const numberIn = async (model: Model, name: string): Promise<number | undefined> =>
    new Float32Array((await bytesOf(model, name)).buffer)[0];
  const downOf = ({ tensors }: Plan) =>
    tensors.find(({ name }) => name.startsWith(DOWN) || name.includes("ffn_down.weight"));

  it("a global scale that is a power of two becomes ModelOpt's number and GGUF's, and itself again", async () => {
    const source = await openModel({ store: await ofCt(256) });
    const gguf = await convert(source, "gguf:auto");
    expect(downOf(gguf.plan)).toMatchObject({ to: "NVFP4", fidelity: "exact" });
    expect(await numberIn(gguf.model, "blk.0.ffn_down.scale")).toBe(1 / 256);
    await expectSame(source, gguf.model);
    const own = await convert(source, "nvfp4:modelopt", false);
    for (const from of [source, gguf.model, own.model]) {
      for (const [target, names, number] of [
        ["nvfp4:modelopt", ["weight", "weight_scale", "weight_scale_2"], 1 / 256],
        ["compressed-tensors:nvfp4", ["weight_packed", "weight_scale", "weight_global_scale"], 256],
      ] as const) {
        const { plan, model } = await convert(from, target, false);
        expect(["exact", "copy"], downOf(plan)?.reason).toContain(downOf(plan)?.fidelity);
        expect(await bytesOf(model, `${DOWN}.${names[0]}`)).toEqual(pairs);
        expect(await bytesOf(model, `${DOWN}.${names[1]}`)).toEqual(scales);
        expect(await numberIn(model, `${DOWN}.${names[2]}`)).toBe(number);
      }
    }
  });

  it("a number that no division stands for is not called exact", async () => {
    // all 127 scales, and all f32 numbers within 64 steps of 1 ÷ 1.3, were tried by a program of its own: none divides so
    const source = await openModel({ store: await ofModelOpt(Math.fround(1.3)) });
    const { plan } = await convert(source, "compressed-tensors:nvfp4", false);
    expect(downOf(plan)?.fidelity).toBe("requantized");
    await expect(convert(source, "compressed-tensors:nvfp4")).rejects.toMatchObject({ code: "CONVERSION" });
  });

  it("a division that no number stands for is not called exact", async () => {
    const source = await openModel({ store: await ofCt(13952) });
    const { plan } = await convert(source, "nvfp4:modelopt", false);
    expect(downOf(plan)?.fidelity).toBe("requantized");
  });
});
