/**
 * Mistral's and Meta's own checkpoints: consolidated.safetensors and params.json. Oracle: the same model as a Hugging Face directory, with
 * the names of gguf-py's table and the order of rows that llama.cpp's converter undoes for that directory alone
 * (conversion/llama.py, `permute`; conversion/mistral.py, `undo_permute`).
 */
import { type MemoryStore, memoryStore } from "@requant/core";
import { openSafetensors, writeSafetensors } from "@requant/safetensors";
import { expect, it } from "vitest";
import { openModel, parseTarget, planConversion, verifyModels } from "../../src/index.ts";
import { floatDirectory } from "../run/packed-models.ts";
import { asGguf, consolidated, type Layout, meta } from "./consolidated.ts";

/** What the plan of a GGUF says about the length of the context. */
async function assumedContexts(store: MemoryStore): Promise<readonly string[]> {
  const { findings } = await planConversion(await openModel({ store }), parseTarget("gguf:f32"));
  return findings
    .filter(({ code, path, key }) => code === "assumed" && path === "params.json" && key === "max_seq_len")
    .map(({ message }) => message);
}

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
  ["lora", { rank: 4 }],
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
