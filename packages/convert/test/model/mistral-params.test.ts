/**
 * Mistral's own checkpoints: consolidated.safetensors and params.json. Oracle: the same model as a Hugging Face directory, with
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

async function consolidated(source: MemoryStore, more: object = {}): Promise<MemoryStore> {
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
  const sink = await store.create("consolidated.safetensors");
  await writeSafetensors(sink, tensors);
  await sink.close();
  return store;
}

async function asGguf(store: MemoryStore): ReturnType<typeof openModel> {
  const model = await openModel({ store });
  const output = memoryStore({ name: "output" });
  const plan = await planConversion(model, parseTarget("gguf:f32"));
  await runPlan(plan, model, output);
  return openModel({ store: output, file: plan.files[0]?.name });
}

it("become the GGUF of the same model in Hugging Face's form", async () => {
  const source = await floatDirectory("F16");
  const [ours, theirs] = [await asGguf(source), await asGguf(await consolidated(source))];
  const { equal, tensors } = await verifyModels(ours, theirs);
  expect({ equal, count: tensors.length }).toEqual({ equal: true, count: ours.tensors.length });
  const settings = (model: typeof ours): unknown[] =>
    [...(model.gguf?.metadata ?? [])].filter(([key]) => key.startsWith("llama."));
  expect(settings(theirs)).toEqual(settings(ours));
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
  const model = await openModel({ store: await consolidated(await floatDirectory("F16"), { [key]: value }) });
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
