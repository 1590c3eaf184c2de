/**
 * `--llamafy`: the bundled Llama is put into the layouts of other families, then made a Llama again. Oracle: its own bytes, and
 * llama.cpp's GGUF of it; for the golden models, llama.cpp's GGUF of the original class.
 */

import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type MemoryStore, memorySource, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { readGguf } from "@requant/gguf";
import { beforeAll, describe, expect, it } from "vitest";
import { archModels } from "../../../../fixtures/arch-models.ts";
import { loadLlama, nextLogits, withModel } from "../../../../fixtures/llama-client.ts";
import {
  type Model,
  openModel,
  type PlanOptions,
  parseTarget,
  planConversion,
  runPlan,
} from "../../src/index.ts";
import { hfDirectory, readWeights, type StoredTensor as Stored, type Weights } from "../hf-directory.ts";
import { messagesOf } from "../messages.ts";

const kjv = fileURLToPath(new URL("../../../../fixtures/kjv/", import.meta.url));
const golden = process.env["REQUANT_GOLDEN"];

const heads = 4;
const kvHeads = 2;
const length = 64;
const hidden = 256;
const layers = 3;

const original: Weights = new Map();
let llamaConfig: Record<string, unknown> = {};

beforeAll(async () => {
  for (const [name, tensor] of await readWeights(`${kjv}hf`)) original.set(name, tensor);
  llamaConfig = JSON.parse(readFileSync(`${kjv}hf/config.json`, "utf8"));
});

function get(weights: Weights, name: string): Stored {
  const found = weights.get(name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

function rows({ bytes, shape }: Stored, start: number, end: number): Uint8Array {
  const width = (shape.at(-1) ?? 1) * 2;
  return bytes.subarray(start * width, end * width);
}

function joined(parts: readonly Uint8Array[], columns: number): Stored {
  const bytes = new Uint8Array(Buffer.concat(parts));
  return { shape: [bytes.length / 2 / columns, columns], encoding: "BF16", bytes };
}

/** Renames by pairs of prefixes and suffixes; takes out what `fuse` puts together. */
function layout(
  rename: (name: string) => string,
  fuse: (take: (part: string) => Stored, put: (name: string, tensor: Stored) => void, layer: number) => void,
): Weights {
  const left: Weights = new Map(original);
  const made: Weights = new Map();
  for (let layer = 0; layer < layers; layer++) {
    const take = (part: string): Stored => {
      const name = `model.layers.${layer}.${part}.weight`;
      const found = get(left, name);
      left.delete(name);
      return found;
    };
    fuse(take, (name, tensor) => made.set(name, tensor), layer);
  }
  for (const [name, tensor] of left) made.set(rename(name), tensor);
  return made;
}

function replaceAll(pairs: readonly (readonly [string, string])[]): (name: string) => string {
  return (name) => pairs.reduce((text, [from, to]) => text.replace(from, to), name);
}

async function directory(
  weights: Weights,
  config: object,
  more: Readonly<Record<string, string>> = {},
): Promise<Model> {
  const side = (name: string): [string, string] => [name, readFileSync(`${kjv}hf/${name}`, "utf8")];
  return openModel({
    store: await hfDirectory(weights, {
      ...Object.fromEntries([side("tokenizer.json"), side("tokenizer_config.json")]),
      "config.json": JSON.stringify(config),
      ...more,
    }),
  });
}

async function llamafied(
  model: Model,
  target = "safetensors:bf16",
  options: PlanOptions = {},
): Promise<MemoryStore> {
  const output = memoryStore({ name: "out" });
  const plan = await planConversion(model, parseTarget(target), {
    llamafy: true,
    outputName: "o",
    ...options,
  });
  await runPlan(plan, model, output);
  return output;
}

async function weightsOf(store: MemoryStore): Promise<Record<string, string>> {
  const model = await openModel({ store });
  const sums: Record<string, string> = {};
  for (const { name, shape, byteLength, encoding } of model.tensors) {
    const bytes = await model.readBytes(name, 0, byteLength);
    sums[name] = `${encoding} ${shape.join()} ${createHash("sha256").update(bytes).digest("hex")}`;
  }
  return sums;
}

function originalSums(): Record<string, string> {
  return Object.fromEntries(
    [...original].map(([name, { shape, bytes }]) => [
      name,
      `BF16 ${shape.join()} ${createHash("sha256").update(bytes).digest("hex")}`,
    ]),
  );
}

const settings = {
  hidden_size: hidden,
  intermediate_size: 512,
  num_attention_heads: heads,
  num_hidden_layers: layers,
  num_key_value_heads: kvHeads,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: "silu",
  vocab_size: 1024,
  tie_word_embeddings: false,
  bos_token_id: 0,
  eos_token_id: 1,
  pad_token_id: null,
};

/** Rows `[heads, 2, half]` as `[heads, half, 2]`. */
function inPairs(tensor: Stored, headCount: number): Stored {
  const half = length / 2;
  const parts: Uint8Array[] = [];
  for (let head = 0; head < headCount; head++) {
    for (let index = 0; index < half; index++) {
      for (const side of [0, 1]) {
        const row = head * length + side * half + index;
        parts.push(rows(tensor, row, row + 1));
      }
    }
  }
  return joined(parts, hidden);
}

const cases: readonly {
  readonly family: string;
  readonly config: object;
  weights(): Weights;
}[] = [
  {
    family: "Mistral without a window",
    config: {
      ...settings,
      architectures: ["MistralForCausalLM"],
      model_type: "mistral",
      sliding_window: null,
    },
    weights: () => new Map(original),
  },
  {
    family: "Yi with its first names",
    config: { ...settings, architectures: ["YiForCausalLM"], model_type: "Yi" },
    weights: () =>
      layout(
        replaceAll([
          ["input_layernorm", "ln1"],
          ["post_attention_layernorm", "ln2"],
        ]),
        () => {},
      ),
  },
  {
    family: "InternLM 2: wqkv by key-value heads",
    config: { ...settings, architectures: ["InternLM2ForCausalLM"], model_type: "internlm2", bias: false },
    weights: () =>
      layout(
        replaceAll([
          ["model.embed_tokens", "model.tok_embeddings"],
          ["lm_head", "output"],
          ["input_layernorm", "attention_norm"],
          ["post_attention_layernorm", "ffn_norm"],
          ["self_attn.o_proj", "attention.wo"],
          ["mlp.gate_proj", "feed_forward.w1"],
          ["mlp.up_proj", "feed_forward.w3"],
          ["mlp.down_proj", "feed_forward.w2"],
        ]),
        (take, put, layer) => {
          const [q, k, v] = [take("self_attn.q_proj"), take("self_attn.k_proj"), take("self_attn.v_proj")];
          const each = (heads / kvHeads) * length;
          const parts = Array.from({ length: kvHeads }, (_, head) => [
            rows(q, head * each, (head + 1) * each),
            rows(k, head * length, (head + 1) * length),
            rows(v, head * length, (head + 1) * length),
          ]).flat();
          put(`model.layers.${layer}.attention.wqkv.weight`, joined(parts, hidden));
        },
      ),
  },
  {
    family: "Baichuan 7B: W_pack",
    config: { ...settings, architectures: ["BaiChuanForCausalLM"], model_type: "baichuan" },
    weights: () =>
      layout(
        (name) => name,
        (take, put, layer) => {
          const parts = ["q", "k", "v"].map((part) => take(`self_attn.${part}_proj`).bytes);
          put(`model.layers.${layer}.self_attn.W_pack.weight`, joined(parts, hidden));
        },
      ),
  },
  {
    family: "Phi-3: qkv_proj and gate_up_proj",
    config: {
      ...settings,
      architectures: ["Phi3ForCausalLM"],
      model_type: "phi3",
      original_max_position_embeddings: 512,
      sliding_window: null,
    },
    weights: () =>
      layout(
        (name) => name,
        (take, put, layer) => {
          const prefix = `model.layers.${layer}`;
          const fused = (parts: readonly string[]): Stored =>
            joined(
              parts.map((part) => take(part).bytes),
              hidden,
            );
          put(
            `${prefix}.self_attn.qkv_proj.weight`,
            fused(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
          );
          put(`${prefix}.mlp.gate_up_proj.weight`, fused(["mlp.gate_proj", "mlp.up_proj"]));
        },
      ),
  },
  {
    family: "ERNIE 4.5: rotary pairs",
    config: {
      ...settings,
      architectures: ["Ernie4_5ForCausalLM"],
      model_type: "ernie4_5",
      head_dim: length,
      use_bias: false,
    },
    weights: () =>
      layout(
        (name) => name,
        (take, put, layer) => {
          const prefix = `model.layers.${layer}.self_attn`;
          put(`${prefix}.q_proj.weight`, inPairs(take("self_attn.q_proj"), heads));
          put(`${prefix}.k_proj.weight`, inPairs(take("self_attn.k_proj"), kvHeads));
        },
      ),
  },
];

describe.each(cases)("$family", ({ config, weights }) => {
  it("every tensor is the Llama's, byte for byte, and copied", async () => {
    const model = await directory(weights(), config, { "modeling_own.py": "" });
    const plan = await planConversion(model, parseTarget("safetensors:bf16"), { llamafy: true });
    expect([...new Set(plan.tensors.map(({ fidelity }) => fidelity))]).toEqual(["copy"]);
    expect(plan.leftOut.map(({ name }) => name)).toEqual(["modeling_own.py"]);
    const made = await llamafied(model);
    expect(await weightsOf(made)).toEqual(originalSums());
    const text = (name: string): string => new TextDecoder().decode(made.files.get(name));
    expect(JSON.parse(text("config.json"))).toMatchObject({
      architectures: ["LlamaForCausalLM"],
      model_type: "llama",
      attention_bias: false,
      mlp_bias: false,
      ...settings,
    });
    expect(made.files.has("tokenizer.json")).toBe(true);
    expect(made.files.has("modeling_own.py")).toBe(false);
  });

  it("straight to GGUF: the tensors that llama.cpp makes of the Llama", async () => {
    const made = await llamafied(await directory(weights(), config), "gguf:bf16");
    const bytes = made.files.get("o.gguf") ?? new Uint8Array(0);
    const { tensors, metadata } = await readGguf(memorySource(bytes));
    expect(metadata.get("general.architecture")?.value).toBe("llama");
    const found = tensors.map(({ name, encoding, byteOffset, byteLength }) => [
      name,
      encoding,
      createHash("sha256")
        .update(bytes.subarray(byteOffset, byteOffset + byteLength))
        .digest("hex"),
    ]);
    const reference: { files: { target: string; converter?: boolean; tensors: unknown[] }[] } = JSON.parse(
      readFileSync(`${kjv}reference.json`, "utf8"),
    );
    const expected = reference.files.find(({ target, converter }) => target === "BF16" && converter === true);
    expect(found).toEqual(expected?.tensors);
  });
});

describe("Qwen 1: c_attn with biases", () => {
  const bias = Uint8Array.from(
    { length: (heads + 2 * kvHeads) * length * 2 },
    (_, index) => (index * 7 + 3) & 63,
  );
  const weights = (): Weights =>
    layout(
      replaceAll([
        ["model.embed_tokens", "transformer.wte"],
        ["model.norm", "transformer.ln_f"],
        ["model.layers", "transformer.h"],
        ["input_layernorm", "ln_1"],
        ["post_attention_layernorm", "ln_2"],
        ["self_attn.o_proj", "attn.c_proj"],
        ["mlp.gate_proj", "mlp.w2"],
        ["mlp.up_proj", "mlp.w1"],
        ["mlp.down_proj", "mlp.c_proj"],
      ]),
      (take, put, layer) => {
        const parts = ["q", "k", "v"].map((part) => take(`self_attn.${part}_proj`).bytes);
        put(`transformer.h.${layer}.attn.c_attn.weight`, joined(parts, hidden));
        put(`transformer.h.${layer}.attn.c_attn.bias`, {
          shape: [bias.length / 2],
          encoding: "BF16",
          bytes: bias,
        });
      },
    );
  const config = {
    architectures: ["QWenLMHeadModel"],
    model_type: "qwen",
    hidden_size: hidden,
    intermediate_size: 1024,
    kv_channels: length,
    layer_norm_epsilon: 1e-5,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    num_hidden_layers: layers,
    rotary_emb_base: 10000,
    rotary_pct: 1,
    seq_length: 512,
    max_position_embeddings: 2048,
    use_dynamic_ntk: true,
    vocab_size: 1024,
    no_bias: true,
  };

  it("the weights are the Llama's, the bias is split, the output projection's is zero", async () => {
    const model = await directory(weights(), config);
    const plan = await planConversion(model, parseTarget("safetensors:bf16"), { llamafy: true });
    expect(messagesOf(plan)).toMatch(/3 o_proj biases of zeros/);
    expect(messagesOf(plan)).toMatch(/Beyond 512 tokens/);
    expect(
      plan.tensors.filter(({ shape }) => shape.length > 1).every(({ fidelity }) => fidelity === "copy"),
    ).toBe(true);
    const made = await llamafied(model);
    const sums = await weightsOf(made);
    expect(sums).toMatchObject(originalSums());
    const again = await openModel({ store: made });
    const bytesOf = (name: string): Promise<Uint8Array> =>
      again.readBytes(name, 0, again.tensor(name).byteLength);
    let start = 0;
    for (const [part, count] of [
      ["q", heads],
      ["k", kvHeads],
      ["v", kvHeads],
    ] as const) {
      const end = start + count * length * 2;
      expect(Buffer.from(await bytesOf(`model.layers.1.self_attn.${part}_proj.bias`))).toEqual(
        Buffer.from(bias.subarray(start, end)),
      );
      start = end;
    }
    expect((await bytesOf("model.layers.2.self_attn.o_proj.bias")).every((byte) => byte === 0)).toBe(true);
    const text = new TextDecoder().decode(made.files.get("config.json"));
    expect(JSON.parse(text)).toMatchObject({
      attention_bias: true,
      mlp_bias: false,
      intermediate_size: 512,
      max_position_embeddings: 512,
      rms_norm_eps: 1e-5,
      rope_theta: 10000,
    });
  });

  it("to GGUF in one step is to GGUF in two", async () => {
    const model = await directory(weights(), config);
    const once = (await llamafied(model, "gguf:f16")).files.get("o.gguf");
    const second = await openModel({ store: await llamafied(model) });
    const twice = memoryStore({ name: "twice" });
    await runPlan(await planConversion(second, parseTarget("gguf:f16"), { outputName: "o" }), second, twice);
    const tensors = async (bytes: Uint8Array = new Uint8Array(0)) =>
      (await readGguf(memorySource(bytes))).tensors.map(({ name, encoding, byteOffset, byteLength }) => [
        name,
        encoding,
        createHash("sha256")
          .update(bytes.subarray(byteOffset, byteOffset + byteLength))
          .digest("hex"),
      ]);
    expect(await tensors(once)).toEqual(await tensors(twice.files.get("o.gguf")));
  });
});

describe("what is no Llama is refused, saying why", () => {
  const asked = async (config: object, weights: Weights = new Map(original)) => {
    const model = await directory(weights, { ...settings, ...config });
    return planConversion(model, parseTarget("safetensors:bf16"), { llamafy: true });
  };
  it.each<[object, RegExp]>([
    [{ architectures: ["MistralForCausalLM"], sliding_window: 256 }, /slides over 256 of 512/],
    [{ architectures: ["Gemma2ForCausalLM"] }, /norms after each block/],
    [{ architectures: ["Qwen3ForCausalLM"] }, /q and k go through norms/],
    [{ architectures: ["MixtralForCausalLM"] }, /mixtures of experts/],
    [{ architectures: ["BaichuanForCausalLM"], num_hidden_layers: 40 }, /ALiBi/],
    [{ architectures: ["BaichuanForCausalLM"], z_loss_weight: 0 }, /NormHead/],
    [{ architectures: ["Phi3ForCausalLM"], partial_rotary_factor: 0.75 }, /0\.75 of each head/],
    [{ architectures: ["LlamaForCausalLM"], hidden_act: "gelu" }, /activation is gelu/],
    [{ architectures: ["NewForCausalLM"] }, /the class is unknown/],
    [{ architectures: ["LlamaForCausalLM"], num_hidden_layers: 4 }, /9 tensors of the Llama have no source/],
  ])("%j", async (config, message) => {
    await expect(asked(config)).rejects.toMatchObject({
      code: "CONVERSION",
      message: expect.stringMatching(message),
    });
  });

  it("a tensor that a Llama has no place for", async () => {
    const extra = new Map(original).set("model.layers.0.self_attn.q_norm.weight", {
      shape: [1],
      encoding: "BF16",
      bytes: new Uint8Array(2),
    });
    await expect(asked({ architectures: ["LlamaForCausalLM"] }, extra)).rejects.toMatchObject({
      code: "CONVERSION",
      tensor: "model.layers.0.self_attn.q_norm.weight",
    });
  });

  it("a GGUF file", async () => {
    const store = await llamafied(await directory(new Map(original), { ...llamaConfig }), "gguf:bf16");
    const model = await openModel({ store, file: "o.gguf" });
    await expect(
      planConversion(model, parseTarget("safetensors:f16"), { llamafy: true }),
    ).rejects.toMatchObject({
      code: "CONVERSION",
    });
  });
});

describe.skipIf(golden === undefined)("golden models (skipped: REQUANT_GOLDEN is not set)", () => {
  const path = join(golden ?? "", "arch/manifest.json");
  const manifest: Record<
    string,
    { dir: string; tensors: { name: string; types: Record<string, { sha256: string }> }[] }
  > = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).models : {};

  // these classes' GGUF holds q and k as llama's does
  it.each(["llama2", "llama31", "mistral", "internlm2", "baichuan"])(
    "%s made a Llama, then a GGUF: llama.cpp's tensors of the original",
    async (name) => {
      const entry = manifest[name];
      const model = await openModel({ store: directoryStore(join(golden ?? "", "arch", entry?.dir ?? "")) });
      const bytes = (await llamafied(model, "gguf:f32")).files.get("o.gguf") ?? new Uint8Array(0);
      const { tensors } = await readGguf(memorySource(bytes));
      const found = tensors.map(({ name: tensor, byteOffset, byteLength }) => [
        tensor,
        createHash("sha256")
          .update(bytes.subarray(byteOffset, byteOffset + byteLength))
          .digest("hex"),
      ]);
      const expected = entry?.tensors.map((tensor) => [tensor.name, tensor.types["F32"]?.sha256]);
      expect(found.toSorted()).toEqual(expected?.toSorted());
      await model.close();
    },
  );
});

// biases, tied embeddings, a fused split, rotary pairs, groups per key-value head
const equal = ["qwen2", "qwen2_tied", "phi4", "ernie45", "mistral", "internlm2"];
const client = await loadLlama();

describe.skipIf("reason" in client)(
  "made a Llama, llama.cpp gives transformers' logits of the original",
  () => {
    const { llama } = client as Extract<typeof client, { llama: unknown }>;
    it.each(
      archModels.filter(({ name }) => equal.includes(name)).map((model) => ({ name: model.name, model })),
    )("$name", async ({ name, model: { path, prompt, topLogits } }) => {
      const model = await openModel({ store: directoryStore(path) });
      const file = join(mkdtempSync(join(tmpdir(), "requant-llamafy-")), `${name}.gguf`);
      writeFileSync(file, (await llamafied(model, "gguf:f32")).files.get("o.gguf") ?? "");
      await model.close();
      try {
        const logits = await withModel(llama, file, (loaded) => nextLogits(loaded, prompt));
        for (const [id, logit] of topLogits)
          expect(Math.abs((logits.get(id) ?? Number.NaN) - logit)).toBeLessThan(1e-4);
      } finally {
        rmSync(dirname(file), { recursive: true });
      }
    });
  },
);
