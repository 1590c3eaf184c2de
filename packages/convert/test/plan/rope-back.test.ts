/**
 * Rope settings there and back: Hugging Face → GGUF → Hugging Face, from `openModel` to the plan's config.json. Oracle: the
 * source's own config.json. Scaling of case 33 (rope_freqs.weight back to a factor) is tried in copies of a bundled model.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type MemoryStore, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { beforeAll, describe, expect, it } from "vitest";
import { archModels, archScope } from "../../../../fixtures/arch-models.ts";
import {
  type Model,
  openModel,
  type Plan,
  parseTarget,
  planConversion,
  planFakeQuantize,
  runPlan,
} from "../../src/index.ts";
import { messagesOf } from "../messages.ts";

type Json = Record<string, unknown>;

function object(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** The first value that is there, in the order in which transformers looks. */
function first(...values: readonly unknown[]): unknown {
  return values.find((value) => value !== undefined && value !== null);
}

/**
 * Every place where a config.json may hold rope settings, as one list: alone, in rope_scaling (transformers 4), in
 * rope_parameters (transformers 5), there for each layer type. `type` is the older spelling of `rope_type`
 * (transformers, modeling_rope_utils.py).
 */
function ropeFacts(config: Json): Record<string, unknown> {
  const root: Json = { ...config, ...object(config["text_config"]) };
  const rope = object(first(root["rope_parameters"], root["rope_scaling"]));
  const facts: Record<string, unknown> = {};
  const layerTypes = ["full_attention", "sliding_attention"].filter((name) => name in rope);
  const parts: Record<string, Json> =
    layerTypes.length > 0
      ? Object.fromEntries(layerTypes.map((name) => [name, object(rope[name])]))
      : root["rope_local_base_freq"] === undefined
        ? { "": rope }
        : { full_attention: rope, sliding_attention: { rope_theta: root["rope_local_base_freq"] } };
  for (const [name, { type, ...part }] of Object.entries(parts)) {
    const own: Json = {
      ...part,
      rope_type: first(part["rope_type"], type, "default"),
      rope_theta: first(part["rope_theta"], root["rope_theta"], root["rotary_emb_base"]),
      partial_rotary_factor: first(
        part["partial_rotary_factor"],
        root["partial_rotary_factor"],
        root["rotary_pct"],
        root["rope_pct"],
      ),
      original_max_position_embeddings: first(
        part["original_max_position_embeddings"],
        root["original_max_position_embeddings"],
      ),
    };
    for (const [key, value] of Object.entries(own)) {
      if (value !== undefined) facts[name === "" ? key : `${name}.${key}`] = value;
    }
  }
  for (const key of ["no_rope_layers", "no_rope_layer_interval", "rope_interleave", "qk_rope_head_dim"]) {
    if (root[key] !== undefined) facts[key] = root[key];
  }
  return facts;
}

/** Facts that come back in another way, and why that is the same model. */
const equivalents: readonly {
  readonly model: string;
  readonly fact: string;
  readonly source: unknown;
  readonly back: unknown;
  readonly why: string;
}[] = [
  {
    model: "starcoder2",
    fact: "rope_theta",
    source: 999999.4420358813,
    back: 999999.44,
    why: "a GGUF holds an f32; both are the same one",
  },
  {
    model: "smollm3",
    fact: "no_rope_layers",
    source: [1, 1, 1, 0],
    back: undefined,
    why: "the class makes it of no_rope_layer_interval, which comes back",
  },
];

/** Values that a GGUF cannot hold: the class's default comes back, and the plan names it. */
const namedInPlan: Readonly<Record<string, string>> = {
  gemma1: "rope_theta",
  gemma2: "rope_theta",
  phi2: "rope_theta",
  gptneox: "rope_theta",
  stablelm: "rope_theta",
  smollm3: "no_rope_layer_interval",
  llama4: "no_rope_layer_interval",
  deepseek3: "rope_scaling.mscale",
  ministral3: "rope_scaling.mscale",
};

function configOf(plan: Plan): Json {
  const file = plan.files.find(({ name }) => name === "config.json");
  if (file?.kind !== "text") throw new Error("the plan has no config.json");
  return JSON.parse(file.text);
}

async function ggufOf(source: Model): Promise<Model> {
  const store = memoryStore({ name: "gguf" });
  const plan = await planConversion(source, parseTarget("gguf:f32"), { outputName: "o" });
  await runPlan(plan, source, store, { check: false });
  return openModel({ store, file: "o.gguf" });
}

/** A directory in memory, with another config.json. */
function copyOf(path: string, config: Json): MemoryStore {
  const store = memoryStore({ name: "models/copy" });
  for (const name of readdirSync(path)) store.files.set(name, readFileSync(join(path, name)));
  store.files.set("config.json", new TextEncoder().encode(JSON.stringify(config)));
  return store;
}

const readConfig = (path: string): Json => JSON.parse(readFileSync(join(path, "config.json"), "utf8"));

describe(`rope settings come back: ${archScope}`, () => {
  it.each(archModels.map((model) => ({ name: model.name, model })))("$name", async ({ name, model }) => {
    const source = await openModel({ store: directoryStore(model.path) });
    const plan = await planConversion(await ggufOf(source), parseTarget("safetensors:bf16"));
    await source.close();
    const expected = ropeFacts(readConfig(model.path));
    for (const { fact, source: from, back } of equivalents.filter((one) => one.model === name)) {
      expect(expected[fact]).toEqual(from);
      if (back === undefined) delete expected[fact];
      else expected[fact] = back;
    }
    expect(ropeFacts(configOf(plan))).toEqual(expected);
    const named = namedInPlan[name];
    if (named !== undefined) expect(messagesOf(plan)).toContain(`config.json ${named}`);
  });
});

const exaone = archModels.find(({ name }) => name === "exaone4");
const gptOss = archModels.find(({ name }) => name === "gptoss");
if (exaone === undefined || gptOss === undefined) throw new Error("fixtures/arch lacks a model of this test");

const llama3 = (factor: number, low: number, high: number, context: number) => ({
  rope_type: "llama3",
  factor,
  low_freq_factor: low,
  high_freq_factor: high,
  original_max_position_embeddings: context,
});

const scalings: readonly (readonly [string, Json])[] = [
  ["Llama 3.1", llama3(8, 1, 4, 8192)],
  ["Llama 3.2", llama3(32, 1, 4, 8192)],
  ["Llama 4 Scout", llama3(16, 1, 1, 8192)],
  ["a factor that f32 rounds", llama3(12.3, 1, 4, 8192)],
  ["a third", llama3(3.3333333, 1, 4, 8192)],
  ["linear", { rope_type: "linear", factor: 2.5 }],
  [
    "yarn",
    {
      rope_type: "yarn",
      factor: 4,
      original_max_position_embeddings: 32768,
      attention_factor: 0.9,
      beta_fast: 48,
      beta_slow: 1.5,
      extrapolation_factor: 0.75,
      truncate: true,
    },
  ],
];

const targets = ["safetensors:f32", "gptq:4bit-16g", "compressed-tensors:4bit-16g"];

describe.each(scalings)("%s through every target of a Hugging Face directory", (_, rope) => {
  let gguf: Model;
  let source: Json;
  beforeAll(async () => {
    source = { ...readConfig(exaone.path), rope_scaling: rope };
    gguf = await ggufOf(await openModel({ store: copyOf(exaone.path, source) }));
  });

  it.each(targets)("%s", async (target) => {
    const plan = await planConversion(gguf, parseTarget(target));
    expect(ropeFacts(configOf(plan))).toEqual(ropeFacts(source));
    expect(plan.findings.filter(({ message }) => message.includes("rope"))).toEqual([]);
  });

  it("a fake-quantized float model", async () => {
    const plan = await planFakeQuantize(gguf, parseTarget("gguf:q4_0"), { allowRequantize: true });
    expect(ropeFacts(configOf(plan))).toEqual(ropeFacts(source));
  });
});

describe("what cannot be told is named", () => {
  it("HF → GGUF: dynamic scaling, for which llama.cpp's converter has no key", async () => {
    const config = { ...readConfig(exaone.path), rope_scaling: { rope_type: "dynamic", factor: 2 } };
    const model = await openModel({ store: copyOf(exaone.path, config) });
    const plan = await planConversion(model, parseTarget("gguf:f32"));
    expect(messagesOf(plan)).toMatch(/rope scaling "dynamic": .* no such scaling/);
  });

  it("HF → GGUF: Llama 3 scaling in a family whose converter writes no rope_freqs.weight", async () => {
    const config = { ...readConfig(gptOss.path), rope_scaling: llama3(8, 1, 4, 8192) };
    const model = await openModel({ store: copyOf(gptOss.path, config) });
    const plan = await planConversion(model, parseTarget("gguf:f32"));
    expect(messagesOf(plan)).toMatch(/rope scaling "llama3": .* no such scaling/);
  });
});
