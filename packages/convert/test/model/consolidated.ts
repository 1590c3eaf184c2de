/** Test support: a Hugging Face directory as Mistral's or Meta's own checkpoint, with consolidated.safetensors and params.json. */
import { type MemoryStore, memoryStore } from "@requant/core";
import { openSafetensors, writeSafetensors } from "@requant/safetensors";
import { openModel, parseTarget, planConversion, runPlan } from "../../src/index.ts";

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

export interface Layout {
  /** Settings over those that Mistral's params.json has; undefined takes one away. */
  readonly more?: object;
  /** Tensors of Meta's that GGUF does not hold. */
  readonly extra?: readonly string[];
  /** The number of files; several have an index. */
  readonly files?: number;
}

export async function consolidated(
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
    if (!/safetensors|^(?:generation_)?config\.json$/.test(name)) store.files.set(name, bytes);
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

export async function asGguf(store: MemoryStore): ReturnType<typeof openModel> {
  const model = await openModel({ store });
  const output = memoryStore({ name: "output" });
  const plan = await planConversion(model, parseTarget("gguf:f32"));
  await runPlan(plan, model, output);
  return openModel({ store: output, file: plan.files[0]?.name });
}

/** The settings that Meta's params.json has beside or in place of Mistral's. */
export const meta = {
  hidden_dim: undefined,
  head_dim: undefined,
  vocab_size: -1,
  multiple_of: 256,
  ffn_dim_multiplier: 1.3,
  use_scaled_rope: false,
};
