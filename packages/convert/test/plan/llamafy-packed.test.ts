/**
 * `--llamafy` on packed checkpoints. Each row has scales and zero points of its own, so to split a packed matrix is to pack the parts of
 * the split one. Oracle: the bundled Llama, packed by itself.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type MemoryStore, memoryStore } from "@requant/core";
import { beforeAll, describe, expect, it } from "vitest";
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
import { hfDirectory, readWeights, type StoredTensor, type Weights } from "../hf-directory.ts";

const kjv = fileURLToPath(new URL("../../../../fixtures/kjv/hf", import.meta.url));
const text = (file: string): string => readFileSync(`${kjv}/${file}`, "utf8");
const headLength = 64;
const [queryHeads, keyHeads, hidden] = [4, 2, 256];

/** Q, K and V of the first layer, which alone is kept. */
const attention = ["q", "k", "v"].map((part) => `model.layers.0.self_attn.${part}_proj.weight`);

function rowsOf({ bytes }: StoredTensor, start: number, end: number): Uint8Array {
  return bytes.subarray(start * hidden * 2, end * hidden * 2);
}

function joined(parts: readonly Uint8Array[]): StoredTensor {
  const bytes = new Uint8Array(Buffer.concat(parts));
  return { shape: [bytes.length / 2 / hidden, hidden], encoding: "BF16", bytes };
}

/** Under other names, with the attention's matrices in one. */
function fused(
  weights: Weights,
  name: string,
  rename: (name: string) => string,
  join: (q: StoredTensor, k: StoredTensor, v: StoredTensor) => StoredTensor,
): Weights {
  const [q, k, v] = attention.map((part) => weights.get(part));
  if (q === undefined || k === undefined || v === undefined) throw new Error("no attention");
  const made: Weights = new Map([[name, join(q, k, v)]]);
  for (const [own, tensor] of weights) if (!attention.includes(own)) made.set(rename(own), tensor);
  return made;
}

const internLm: readonly (readonly [string, string])[] = [
  ["model.embed_tokens", "model.tok_embeddings"],
  ["lm_head", "output"],
  ["input_layernorm", "attention_norm"],
  ["post_attention_layernorm", "ffn_norm"],
  ["self_attn.o_proj", "attention.wo"],
  ["mlp.gate_proj", "feed_forward.w1"],
  ["mlp.up_proj", "feed_forward.w3"],
  ["mlp.down_proj", "feed_forward.w2"],
];

const families: Readonly<Record<string, { config: object; weights(llama: Weights): Weights }>> = {
  "Mistral without a window": {
    config: { architectures: ["MistralForCausalLM"], model_type: "mistral", sliding_window: null },
    weights: (llama) => llama,
  },
  "Qwen2 with biases": {
    config: { architectures: ["Qwen2ForCausalLM"], model_type: "qwen2" },
    weights: withBiases,
  },
  "InternLM 2 with wqkv": {
    config: { architectures: ["InternLM2ForCausalLM"], model_type: "internlm2", bias: false },
    weights: (llama) =>
      fused(
        llama,
        "model.layers.0.attention.wqkv.weight",
        (name) => internLm.reduce((made, [from, to]) => made.replace(from, to), name),
        (q, k, v) => {
          const each = (queryHeads / keyHeads) * headLength;
          return joined(
            Array.from({ length: keyHeads }, (_, head) => [
              rowsOf(q, head * each, (head + 1) * each),
              rowsOf(k, head * headLength, (head + 1) * headLength),
              rowsOf(v, head * headLength, (head + 1) * headLength),
            ]).flat(),
          );
        },
      ),
  },
  "Baichuan 7B with W_pack": {
    config: { architectures: ["BaiChuanForCausalLM"], model_type: "baichuan" },
    weights: (llama) =>
      fused(
        llama,
        "model.layers.0.self_attn.W_pack.weight",
        (name) => name,
        (q, k, v) => joined([q.bytes, k.bytes, v.bytes]),
      ),
  },
};

/** A bias of bf16 numbers between 0.5 and 2 for each of q, k and v. */
function withBiases(llama: Weights): Weights {
  const made: Weights = new Map(llama);
  for (const [index, name] of attention.entries()) {
    const [rows = 0] = llama.get(name)?.shape ?? [];
    const bytes = Uint8Array.from({ length: rows * 2 }, (_, i) => (i % 2 === 0 ? i * 7 + index : 0x3f));
    made.set(name.replace("weight", "bias"), { shape: [rows], encoding: "BF16", bytes });
  }
  return made;
}

let llama: Weights;
const config = { ...JSON.parse(text("config.json")), num_hidden_layers: 1 };

beforeAll(async () => {
  llama = new Map([...(await readWeights(kjv))].filter(([name]) => !/layers\.[1-9]/.test(name)));
});

async function opened(weights: Weights, changes: object): Promise<Model> {
  return openModel({
    store: await hfDirectory(weights, {
      "config.json": JSON.stringify({ ...config, ...changes }),
      "tokenizer.json": text("tokenizer.json"),
      "tokenizer_config.json": text("tokenizer_config.json"),
    }),
  });
}

async function converted(
  model: Model,
  target: string,
  options: PlanOptions = {},
): Promise<{ plan: Plan; model: Model; store: MemoryStore }> {
  const isGguf = target.startsWith("gguf");
  const store = memoryStore({ name: `${target} ${JSON.stringify(options)}` });
  const plan = await planConversion(model, parseTarget(target), {
    ...options,
    ...(isGguf ? { outputName: "o" } : {}),
  });
  await runPlan(plan, model, store);
  return { plan, store, model: await openModel({ store, ...(isGguf ? { file: "o.gguf" } : {}) }) };
}

/** What is stored, name by name. */
async function storedBytes(model: Model): Promise<Map<string, string>> {
  const made = new Map<string, string>();
  for (const { linear, name, byteLength } of model.tensors) {
    for (const part of linear?.parts ?? [{ name, byteLength }])
      made.set(part.name, Buffer.from(await model.readBytes(part.name, 0, part.byteLength)).toString("hex"));
  }
  return made;
}

const targets = ["gptq:4bit-128g-sym", "gptq:4bit-128g-asym", "gptq:8bit-128g-sym", "awq:gemm-128g"];
const cases = Object.keys(families).flatMap((family) => targets.map((target) => ({ family, target })));

describe.each(cases)("$family as $target", ({ family, target }) => {
  let packed: Model;
  let expected: Model;

  beforeAll(async () => {
    const { config: own, weights } = families[family] ?? { config: {}, weights: () => new Map() };
    packed = (await converted(await opened(weights(llama), own), target)).model;
    const alike = family.startsWith("Qwen2") ? withBiases(llama) : llama;
    expected = (await converted(await opened(alike, { attention_bias: alike !== llama }), target)).model;
  });

  it("becomes the packed Llama, byte for byte", async () => {
    const { plan, model, store } = await converted(packed, target, { llamafy: true, exact: true });
    const made = await storedBytes(model);
    // a Llama has a bias on all four projections or on none
    for (const name of [...made.keys()]) if (name.endsWith("o_proj.bias")) made.delete(name);
    expect([...made.keys()].sort()).toEqual([...(await storedBytes(expected)).keys()].sort());
    for (const [name, bytes] of await storedBytes(expected))
      expect(made.get(name) === bytes, name).toBe(true);
    expect(plan.tensors.filter(({ linear }) => linear !== undefined).length).toBe(7);
    const json = JSON.parse(new TextDecoder().decode(store.files.get("config.json")));
    expect(json).toMatchObject({
      architectures: ["LlamaForCausalLM"],
      model_type: "llama",
      quantization_config: { quant_method: target.split(":")[0] },
    });
  });

  it("goes straight to GGUF on its integers", async () => {
    const { plan, model } = await converted(packed, "gguf:auto", { llamafy: true, exact: true });
    const fromPacked = plan.tensors.filter(({ from }) => /GPTQ|AWQ/.test(from));
    expect(fromPacked.map(({ fidelity, way }) => `${fidelity} ${way.kind}`)).toEqual(
      Array.from({ length: 7 }, () => "exact view"),
    );
    const report = await verifyModels(model, (await converted(expected, "gguf:auto")).model);
    expect(report).toMatchObject({ onlyInB: [], shapesDiffer: [] });
    expect(report.tensors.filter(({ equal }) => !equal).map(({ name }) => name)).toEqual([]);
    expect(report.tensors.length).toBeGreaterThanOrEqual(12);
    expect(report.onlyInA.every((name) => name.endsWith("attn_output.bias"))).toBe(true);
  });
});

it.each<[object, RegExp]>([
  [{ architectures: ["Qwen3ForCausalLM"], model_type: "qwen3" }, /q and k go through norms/],
  [{ architectures: ["MistralForCausalLM"], model_type: "mistral", sliding_window: 256 }, /slides over 256/],
  [
    { architectures: ["Phi3ForCausalLM"], model_type: "phi3", partial_rotary_factor: 0.5 },
    /0\.5 of each head/,
  ],
])("a packed model that is no Llama is refused: %j", async (changes, message) => {
  const packed = (await converted(await opened(llama, changes), "gptq:4bit-128g-sym")).model;
  await expect(
    planConversion(packed, parseTarget("gptq:4bit-128g-sym"), { llamafy: true }),
  ).rejects.toMatchObject({ code: "CONVERSION", message: expect.stringMatching(message) });
});
