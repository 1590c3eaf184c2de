/** Hugging Face-style directories: the configuration against the tensors, heads, adapters. Each case is a sound model with one fault. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { ConversionError, type Finding, memoryStore, type ReadStore } from "@requant/core";
import { layoutSafetensors, openSafetensors } from "@requant/safetensors";
import { describe, expect, it } from "vitest";
import { examineModel, inspectModel, openModel, parseTarget, planConversion } from "../../src/index.ts";

const sound = resolve(import.meta.dirname, "../../../../fixtures/abuse/model/float-valid");

interface Stored {
  readonly name: string;
  readonly shape: readonly number[];
  readonly encoding: string;
  readonly data: Uint8Array;
}

function bytesOf(tensors: readonly Stored[]): Uint8Array {
  const layout = layoutSafetensors(tensors);
  const bytes = new Uint8Array(layout.byteLength);
  bytes.set(layout.header);
  const data = new Map(tensors.map((one) => [one.name, one.data]));
  for (const { name, byteOffset } of layout.tensors) bytes.set(data.get(name) ?? [], byteOffset);
  return bytes;
}

async function storedTensors(): Promise<Stored[]> {
  const store = memoryStore({ name: "sound" });
  store.files.set("model.safetensors", new Uint8Array(readFileSync(join(sound, "model.safetensors"))));
  const set = await openSafetensors(store);
  const list: Stored[] = [];
  for (const tensor of set.tensors)
    list.push({ ...tensor, data: (await set.read(tensor, 0, tensor.byteLength)).slice() });
  return list;
}

interface Change {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly tensors?: (list: readonly Stored[]) => readonly Stored[];
}

async function changed({ config = {}, tensors = (list) => list }: Change): Promise<ReadStore> {
  const store = memoryStore({ name: "model" });
  for (const name of readdirSync(sound))
    store.files.set(name, new Uint8Array(readFileSync(join(sound, name))));
  const known: unknown = JSON.parse(readFileSync(join(sound, "config.json"), "utf8"));
  store.files.set("config.json", new TextEncoder().encode(JSON.stringify(Object.assign({}, known, config))));
  store.files.set("model.safetensors", bytesOf(tensors(await storedTensors())));
  return store;
}

async function found(change: Change): Promise<readonly Finding[]> {
  return (await examineModel({ store: await changed(change) })).findings;
}

const faults = (findings: readonly Finding[]): string[] =>
  findings
    .filter(({ severity }) => severity !== "note")
    .map(({ severity, code, tensor }) => `${severity} ${code} ${tensor ?? ""}`.trim());

const withoutHead = (list: readonly Stored[]): readonly Stored[] =>
  list.filter(({ name }) => name !== "lm_head.weight");

describe("the configuration against the tensors", () => {
  it("finds nothing where they agree", async () => {
    expect(await found({})).toEqual([]);
  });

  it.each([
    ["intermediate_size", 99, ["ffn_gate", "ffn_down", "ffn_up"]],
    ["head_dim", 7, ["attn_q", "attn_k", "attn_v", "attn_output"]],
    ["num_key_value_heads", 1, ["attn_k", "attn_v"]],
  ])("names the tensors that do not fit %s", async (key, value, parts) => {
    expect(faults(await found({ config: { [key]: value } }))).toEqual(
      parts.map((part) => `error wrong-shape blk.0.${part}.weight`),
    );
  });

  it("names a tensor that every layer of the family has", async () => {
    const findings = await found({
      tensors: (list) => list.filter(({ name }) => !name.endsWith("k_proj.weight")),
    });
    expect(faults(findings)).toContain("error missing-tensor blk.0.attn_k.weight");
  });
});

describe("the head", () => {
  it("is missed where config.json says that it is a tensor of its own", async () => {
    const findings = await found({ config: { tie_word_embeddings: false }, tensors: withoutHead });
    expect(faults(findings)).toEqual(["error missing-tensor lm_head.weight"]);
  });

  it("is not missed where it is the embedding", async () => {
    expect(await found({ config: { tie_word_embeddings: true }, tensors: withoutHead })).toEqual([]);
  });

  it("is doubtful where it is stored and tied, with other values", async () => {
    const findings = await found({ config: { tie_word_embeddings: true } });
    expect(faults(findings)).toEqual(["warning config-disagrees lm_head.weight"]);
  });

  it("may stand inside a model that also sees, under its prefix", async () => {
    const findings = await found({
      config: { architectures: ["LlavaForConditionalGeneration"] },
      tensors: (list) => list.map((one) => ({ ...one, name: `language_model.${one.name}` })),
    });
    expect(faults(findings)).not.toContain("error missing-tensor lm_head.weight");
  });

  it("may be stored and tied, with the values of the embedding", async () => {
    const findings = await found({
      config: { tie_word_embeddings: true },
      tensors: (list) => {
        const data = list.find(({ name }) => name === "model.embed_tokens.weight")?.data ?? new Uint8Array(0);
        return list.map((one) => (one.name === "lm_head.weight" ? { ...one, data } : one));
      },
    });
    expect(findings).toEqual([]);
  });
});

describe("an adapter (PEFT)", () => {
  const pair = (part: string, shape: readonly number[]): Stored => ({
    name: `base_model.model.model.layers.0.self_attn.q_proj.lora_${part}.weight`,
    shape,
    encoding: "F32",
    data: new Uint8Array(4 * 8 * 64),
  });
  const adapter = (): ReadStore => {
    const store = memoryStore({ name: "adapter" });
    store.files.set("adapter_config.json", new TextEncoder().encode('{"peft_type":"LORA"}'));
    store.files.set("adapter_model.safetensors", bytesOf([pair("A", [8, 64]), pair("B", [64, 8])]));
    return store;
  };

  it("is named by doctor, and nothing else is said of it", async () => {
    const { findings } = await examineModel({ store: adapter() });
    expect(faults(findings)).toEqual(["error not-a-model"]);
  });

  it("is named by inspect, and by a conversion to what it cannot be", async () => {
    const model = await openModel({ store: adapter() });
    try {
      expect((await inspectModel(model)).findings).toContainEqual(
        expect.objectContaining({ code: "not-a-model", message: expect.stringContaining("LoRA adapter") }),
      );
      const planned = planConversion(model, parseTarget("gguf:q8_0"));
      await expect(planned).rejects.toThrow(ConversionError);
      await expect(planned).rejects.toThrow(/LoRA adapter/);
    } finally {
      await model.close();
    }
  });
});

describe("the program that is asked about", () => {
  const withoutTokenizer = async (): Promise<ReadStore> => {
    const store = memoryStore({ name: "model" });
    for (const name of ["config.json", "model.safetensors"])
      store.files.set(name, new Uint8Array(readFileSync(join(sound, name))));
    return store;
  };

  it.each([
    ["vllm", "error"],
    ["exllamav2", "error"],
    ["transformers", "note"],
    [undefined, "note"],
  ] as const)("decides how bad a missing tokenizer is: %s, %s", async (runtime, severity) => {
    const { findings } = await examineModel({ store: await withoutTokenizer() }, { runtime });
    expect(findings.find(({ code }) => code === "no-tokenizer")?.severity).toBe(severity);
  });
});
