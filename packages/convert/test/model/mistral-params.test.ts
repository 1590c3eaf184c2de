/**
 * Mistral's and Meta's own checkpoints: consolidated.safetensors and params.json. Oracle: the same model as a Hugging Face directory, with
 * the names of gguf-py's table and the order of rows that llama.cpp's converter undoes for that directory alone
 * (conversion/llama.py, `permute`; conversion/mistral.py, `undo_permute`).
 */
import { type MemoryStore, memoryStore } from "@requant/core";
import { openSafetensors, writeSafetensors } from "@requant/safetensors";
import { expect, it } from "vitest";
import { openModel, parseTarget, planConversion, runPlan, verifyModels } from "../../src/index.ts";
import { floatDirectory } from "../run/packed-models.ts";

const OWN: readonly (readonly [ours: string, theirs: string])[] = [
  ["model.embed_tokens", "tok_embeddings"],
  ["lm_head", "output"],
  ["model.norm", "norm"],
  ["model.layers", "layers"],
  ["self_attn.q_proj", "attention.wq"],
  ["self_attn.k_proj", "attention.wk"],
  ["self_attn.v_proj", "attention.wv"],
  ["self_attn.o_proj", "attention.wo"],
  ["mlp.gate_proj", "feed_forward.w1"],
  ["mlp.down_proj", "feed_forward.w2"],
  ["mlp.up_proj", "feed_forward.w3"],
  ["input_layernorm", "attention_norm"],
  ["post_attention_layernorm", "ffn_norm"],
];

/** Rows of a head: first halves then second halves become pairs. */
function inPairs(bytes: Uint8Array, rows: number, heads: number): Uint8Array {
  const [rowBytes, half] = [bytes.length / rows, rows / heads / 2];
  const made = new Uint8Array(bytes.length);
  for (let row = 0; row < rows; row++) {
    const [head, at] = [Math.floor(row / (2 * half)), row % (2 * half)];
    const to = head * 2 * half + 2 * (at % half) + Math.floor(at / half);
    made.set(bytes.subarray(row * rowBytes, (row + 1) * rowBytes), to * rowBytes);
  }
  return made;
}

interface Layout {
  /** Settings over those that Mistral's params.json has; undefined takes one away. */
  readonly more?: object;
  /** Tensors of Meta's that GGUF does not hold. */
  readonly extra?: readonly string[];
  /** The number of files; several have an index. */
  readonly files?: number;
}

async function consolidated(
  source: MemoryStore,
  { more = {}, extra = [], files = 1 }: Layout = {},
): Promise<MemoryStore> {
  const config = JSON.parse(new TextDecoder().decode(source.files.get("config.json")));
  const heads: Readonly<Record<string, number>> = {
    q_proj: config.num_attention_heads,
    k_proj: config.num_key_value_heads,
  };
  const set = await openSafetensors(source);
  const tensors = await Promise.all(
    set.tensors.map(async (tensor) => {
      const { name, shape, encoding, byteLength } = tensor;
      const bytes = (await set.read(tensor, 0, byteLength)).slice();
      const count = heads[name.split(".").at(-2) ?? ""];
      const data = [count === undefined ? bytes : inPairs(bytes, shape[0] ?? 0, count)];
      const own = OWN.reduce((text, [ours, theirs]) => text.replace(ours, theirs), name);
      return { name: own, shape, encoding, data };
    }),
  );
  const store = memoryStore({ name: "consolidated" });
  for (const [name, bytes] of source.files)
    if (!/safetensors|config\.json$/.test(name)) store.files.set(name, bytes);
  const params = {
    dim: config.hidden_size,
    n_layers: config.num_hidden_layers,
    head_dim: config.head_dim ?? config.hidden_size / config.num_attention_heads,
    hidden_dim: config.intermediate_size,
    n_heads: config.num_attention_heads,
    n_kv_heads: config.num_key_value_heads,
    norm_eps: config.rms_norm_eps,
    vocab_size: config.vocab_size,
    rope_theta: config.rope_theta ?? 10000,
    max_seq_len: config.max_position_embeddings,
    ...more,
  };
  store.files.set("params.json", new TextEncoder().encode(JSON.stringify(params)));
  const all = [
    ...tensors,
    ...extra.map((name) => ({ name, shape: [2], encoding: "F32", data: [new Uint8Array(8)] })),
  ];
  const nameOf = (part: number): string =>
    files === 1 ? "consolidated.safetensors" : `consolidated-0000${part + 1}-of-0000${files}.safetensors`;
  for (let part = 0; part < files; part++) {
    const sink = await store.create(nameOf(part));
    await writeSafetensors(
      sink,
      all.filter((_, index) => index % files === part),
    );
    await sink.close();
  }
  if (files > 1) {
    const map = Object.fromEntries(all.map(({ name }, index) => [name, nameOf(index % files)]));
    const text = JSON.stringify({ metadata: {}, weight_map: map });
    store.files.set("consolidated.safetensors.index.json", new TextEncoder().encode(text));
  }
  return store;
}

async function asGguf(store: MemoryStore): ReturnType<typeof openModel> {
  const model = await openModel({ store });
  const output = memoryStore({ name: "output" });
  const plan = await planConversion(model, parseTarget("gguf:f32"));
  await runPlan(plan, model, output);
  return openModel({ store: output, file: plan.files[0]?.name });
}

/** What the plan of a GGUF says about the length of the context. */
async function assumedContexts(store: MemoryStore): Promise<readonly string[]> {
  const { findings } = await planConversion(await openModel({ store }), parseTarget("gguf:f32"));
  return findings
    .filter(({ code, path, key }) => code === "assumed" && path === "params.json" && key === "max_seq_len")
    .map(({ message }) => message);
}

/** The settings that Meta's params.json has beside or in place of Mistral's. */
const meta = {
  hidden_dim: undefined,
  head_dim: undefined,
  vocab_size: -1,
  multiple_of: 256,
  ffn_dim_multiplier: 1.3,
  use_scaled_rope: false,
};

it.each([
  ["Mistral's", {}],
  ["Mistral's in several files", { files: 3 }],
  ["Meta's", { more: meta, extra: ["rope.freqs"] }],
] satisfies [string, Layout][])(
  "%s become the GGUF of the same model in Hugging Face's form",
  async (_, layout) => {
    const source = await floatDirectory("F16");
    const [ours, theirs] = [await asGguf(source), await asGguf(await consolidated(source, layout))];
    const { equal, tensors } = await verifyModels(ours, theirs);
    expect({ equal, count: tensors.length }).toEqual({ equal: true, count: ours.tensors.length });
    const settings = (model: typeof ours): unknown[] =>
      [...(model.gguf?.metadata ?? [])].filter(([key]) => key.startsWith("llama."));
    expect(settings(theirs)).toEqual(settings(ours));
  },
);

it.each([
  ["Llama 1", { norm_eps: 1e-6 }, 2048],
  ["Llama 2", { norm_eps: 1e-5 }, 4096],
  ["Llama 3", { norm_eps: 1e-5, rope_theta: 500000 }, 8192],
  ["Code Llama", { norm_eps: 1e-5, rope_theta: 1000000 }, 16384],
])("of %s get the context that it was trained with, which is named as assumed", async (_, more, length) => {
  const source = await floatDirectory("F16");
  const store = await consolidated(source, { more: { ...meta, max_seq_len: undefined, ...more } });
  const model = await asGguf(store);
  expect(model.gguf?.metadata.get("llama.context_length")?.value).toBe(length);
  expect(await assumedContexts(store)).toEqual([
    `Assumed a context length of ${length}: params.json has no max_seq_len.`,
  ]);
});

it.each([
  ["Mistral's is assumed where params.json does not say it", { max_seq_len: undefined }, 1],
  ["Mistral's is not assumed where params.json says it", {}, 0],
  ["Meta's is not assumed where params.json says it", meta, 0],
])("the context of %s", async (_, more, count) => {
  const store = await consolidated(await floatDirectory("F16"), { more });
  expect(await assumedContexts(store)).toHaveLength(count);
});

it("are read by params.json although a config.json of other files stands beside it", async () => {
  const source = await floatDirectory("F16");
  const store = await consolidated(source);
  const config = source.files.get("config.json");
  if (config !== undefined) store.files.set("config.json", config);
  const { equal } = await verifyModels(await asGguf(source), await asGguf(store));
  expect(equal).toBe(true);
});

/** The directory with each tensor under another name. */
async function renamed(source: MemoryStore, rename: (name: string) => string): Promise<MemoryStore> {
  const set = await openSafetensors(source);
  const store = memoryStore({ name: "renamed" });
  for (const [name, bytes] of source.files) if (!/safetensors/.test(name)) store.files.set(name, bytes);
  const tensors = await Promise.all(
    set.tensors.map(async (tensor) => ({
      ...tensor,
      name: rename(tensor.name),
      data: [(await set.read(tensor, 0, tensor.byteLength)).slice()],
    })),
  );
  const sink = await store.create("model.safetensors");
  await writeSafetensors(sink, tensors);
  await sink.close();
  return store;
}

it.each([
  ["no prefix", (name: string) => name.replace(/^model\./, "")],
  ["the prefix twice", (name: string) => name.replace(/^model\./, "model.model.")],
  ["the prefix of torch.compile", (name: string) => `_orig_mod.${name}`],
  ["the prefix of a multimodal model", (name: string) => `language_model.${name}`],
  [
    "the prefix of a multimodal model inside",
    (name: string) => name.replace(/^model\./, "model.language_model."),
  ],
])("names with %s are those of the text model", async (_, rename) => {
  const source = await floatDirectory("F16");
  const { equal } = await verifyModels(await asGguf(source), await asGguf(await renamed(source, rename)));
  expect(equal).toBe(true);
});

it("keep their names and params.json as floats; as a packed directory nothing could read them", async () => {
  const model = await openModel({ store: await consolidated(await floatDirectory("F16")) });
  const plan = await planConversion(model, parseTarget("safetensors:f32"));
  const names = plan.files.map(({ name }) => name);
  expect(names).toContain("params.json");
  expect(names).not.toContain("config.json");
  await expect(planConversion(model, parseTarget("gptq:4bit-128g"))).rejects.toMatchObject({
    code: "CONVERSION",
    hint: "Make a GGUF of it first, and from that a directory with safetensors:bf16.",
  });
});

it.each([
  ["yarn", { factor: 4 }],
  ["moe", { num_experts: 8 }],
  ["something_new", true],
])("a setting %s that is not read is refused by name", async (key, value) => {
  const model = await openModel({
    store: await consolidated(await floatDirectory("F16"), { more: { [key]: value } }),
  });
  await expect(planConversion(model, parseTarget("gguf:f32"))).rejects.toMatchObject({
    code: "UNSUPPORTED",
    path: "params.json",
    message: `The params.json has the setting ${key}, which is not read.`,
  });
});

it.each([
  ["a list", "[]", "FORMAT"],
  ["a web page", "<html>", "FORMAT"],
  ["a text for a number", '{"dim": "x"}', "FORMAT"],
  ["a negative count", '{"dim": -1}', "FORMAT"],
  ["a number beyond all", '{"dim": 64, "n_layers": 1e400}', "FORMAT"],
])("params.json that is %s is refused", async (_, text, code) => {
  const store = await consolidated(await floatDirectory("F16"));
  store.files.set("params.json", new TextEncoder().encode(text));
  const attempt = async (): Promise<unknown> =>
    planConversion(await openModel({ store }), parseTarget("gguf:f32"));
  await expect(attempt()).rejects.toMatchObject({ code });
});
