/**
 * Settings and tensors that none of the tiny models has: their GGUF files are changed, and llama.cpp runs the same changed file.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { elementCount, type MetadataValue, memoryStore, rowCount } from "@requant/core";
import { decoderNamed } from "@requant/models";
import { afterAll, describe, expect, it } from "vitest";
import { archModels, archScope } from "../../../fixtures/arch-models.ts";
import { loadLlama, takeComplaints, withModel } from "../../../fixtures/llama-client.ts";
import { openModel, parseTarget, planConversion, runPlan } from "../../convert/src/index.ts";
import { writeGguf } from "../../gguf/src/index.ts";
import { llamaTolerance, windowsOf, worstDifference } from "./llama-logits.ts";
import { ggufSource, hfSource, logitsOf, withHfModel } from "./model-source.ts";

const folder = mkdtempSync(join(tmpdir(), "requant-variants-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const client = await loadLlama();

const f32 = (value: number): MetadataValue => ({ type: "f32", value: Math.fround(value) });
const u32 = (value: number): MetadataValue => ({ type: "u32", value });
const flag = (value: boolean): MetadataValue => ({ type: "bool", value });
const text = (value: string): MetadataValue => ({ type: "string", value });

interface Variant {
  readonly name: string;
  /** Name of the tiny model. */
  readonly of: string;
  /** Another general.architecture, whose keys are those of the model's own. */
  readonly architecture?: string;
  /** Keys of the architecture; undefined removes one. */
  readonly keys?: Readonly<Record<string, MetadataValue | undefined>>;
  /** True where the changed model computes what the unchanged one does. */
  readonly computesTheSame?: true;
  readonly drops?: RegExp;
  /** Tensors of each layer that are added, filled with numbers around `around`. */
  readonly adds?: Readonly<Record<string, { readonly shape: readonly number[]; readonly around: number }>>;
}

const yarn = {
  "rope.scaling.type": text("yarn"),
  "rope.scaling.factor": f32(4),
  "rope.scaling.original_context_length": u32(32),
};

const variants: readonly Variant[] = [
  {
    name: "linear rope scaling",
    of: "llama2",
    keys: { "rope.scaling.type": text("linear"), "rope.scaling.factor": f32(4) },
  },
  { name: "the older key of linear scaling", of: "llama2", keys: { "rope.scale_linear": f32(2) } },
  {
    name: "no rope scaling in spite of a factor",
    of: "llama2",
    computesTheSame: true,
    keys: { "rope.scaling.type": text("none"), "rope.scaling.factor": f32(4) },
  },
  { name: "YaRN", of: "llama2", keys: yarn },
  {
    name: "YaRN with other bounds",
    of: "qwen3",
    keys: { ...yarn, "rope.scaling.yarn_beta_fast": f32(8), "rope.scaling.yarn_beta_slow": f32(2) },
  },
  { name: "YaRN in the layers without window", of: "olmo3", keys: yarn },
  { name: "a factor of the rotation", of: "llama2", keys: { "rope.scaling.attn_factor": f32(1.3) } },
  { name: "a tied head", of: "llama2", drops: /^output\.weight$/ },
  {
    name: "biases everywhere",
    of: "llama2",
    adds: {
      "attn_q.bias": { shape: [64], around: 0 },
      "attn_k.bias": { shape: [64], around: 0 },
      "attn_v.bias": { shape: [64], around: 0 },
      "attn_output.bias": { shape: [64], around: 0 },
      "ffn_gate.bias": { shape: [176], around: 0 },
      "ffn_up.bias": { shape: [176], around: 0 },
      "ffn_down.bias": { shape: [64], around: 0 },
    },
  },
  {
    name: "rope factors for long texts",
    of: "phi3",
    keys: { "rope.scaling.original_context_length": u32(32) },
  },
  { name: "both halves parallel, without a second norm", of: "stablelm", drops: /ffn_norm/ },
  {
    name: "a norm for each head",
    of: "stablelm",
    adds: {
      "attn_q_norm.weight": { shape: [4, 16], around: 1 },
      "attn_k_norm.weight": { shape: [4, 16], around: 1 },
    },
  },
  { name: "one half after the other", of: "gptneox", keys: { use_parallel_residual: flag(false) } },
  {
    name: "bounds that are built in",
    of: "gemma2",
    computesTheSame: true,
    keys: { attn_logit_softcapping: undefined, final_logit_softcapping: undefined },
  },
  {
    name: "tight bounds",
    of: "gemma2",
    keys: { attn_logit_softcapping: f32(1), final_logit_softcapping: f32(2) },
  },
  {
    name: "a base for windows that is built in",
    of: "gemma3",
    computesTheSame: true,
    keys: { "rope.freq_base_swa": undefined },
  },
  {
    name: "linear scaling outside of windows",
    of: "gemma3",
    keys: { "rope.scaling.type": text("linear"), "rope.scaling.factor": f32(8) },
  },
  { name: "no windows", of: "gemma3", keys: { "attention.sliding_window": undefined } },
  { name: "another pattern of windows", of: "gemma3", keys: { "attention.sliding_window_pattern": u32(3) } },
  { name: "a bound of logits", of: "gemma3", keys: { final_logit_softcapping: f32(2) } },
  { name: "no rotation", of: "granite", keys: { "rope.scaling.finetuned": flag(false) } },
  {
    name: "no multipliers",
    of: "granite",
    keys: { "attention.scale": undefined, embedding_scale: undefined, residual_scale: undefined },
  },
  {
    name: "the architecture of Qwen 1",
    of: "llama2",
    architecture: "qwen",
    // llama.cpp halves the width of this architecture's feed-forward
    keys: { feed_forward_length: u32(352) },
    drops: /attn_[qkv]\.weight$/,
    adds: {
      "attn_qkv.weight": { shape: [192, 64], around: 0 },
      "attn_qkv.bias": { shape: [192], around: 0 },
    },
  },
  {
    name: "a shared expert",
    of: "granitemoe",
    keys: { expert_shared_feed_forward_length: u32(32) },
    adds: {
      "ffn_gate_shexp.weight": { shape: [32, 48], around: 0 },
      "ffn_up_shexp.weight": { shape: [32, 48], around: 0 },
      "ffn_down_shexp.weight": { shape: [48, 32], around: 0 },
    },
  },
];

/** Numbers between −0.2 and 0.2 that look random. */
function numbers(shape: readonly number[], around: number, seed: number): Float32Array {
  return Float32Array.from(
    { length: elementCount(shape) },
    (_, i) => around + 0.4 * ((Math.sin(i * 12.9898 + seed) * 43758.5453) % 1) * 0.5,
  );
}

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** The F32 GGUF of a tiny model with the changes. */
async function changedGguf(
  path: string,
  { architecture: other, keys, drops, adds }: Variant,
): Promise<Uint8Array> {
  const made = memoryStore({ name: "made" });
  await withHfModel(path, async (source) => {
    const plan = await planConversion(source, parseTarget("gguf:f32"), { outputName: "o" });
    await runPlan(plan, source, made, { check: false });
  });
  const model = await openModel({ store: made, file: "o.gguf" });
  const own = model.architecture ?? "";
  const architecture = other ?? own;
  const metadata = new Map(
    [...(model.gguf?.metadata ?? [])].map(([key, value]) => [
      key.replace(`${own}.`, `${architecture}.`),
      value,
    ]),
  );
  metadata.set("general.architecture", text(architecture));
  for (const [key, value] of Object.entries(keys ?? {})) {
    if (value === undefined) metadata.delete(`${architecture}.${key}`);
    else metadata.set(`${architecture}.${key}`, value);
  }
  const tensors = [];
  for (const { name, shape, encoding } of model.tensors) {
    if (drops?.test(name)) continue;
    const values = new Float32Array(elementCount(shape));
    await model.weight(name).readRows(0, rowCount(shape), values);
    tensors.push({ name, shape, encoding, data: [bytesOf(values)] });
  }
  const layers = Number(metadata.get(`${architecture}.block_count`)?.value ?? 0);
  for (let layer = 0; layer < layers; layer++) {
    for (const [part, { shape, around }] of Object.entries(adds ?? {})) {
      const values = numbers(shape, around, layer + part.length);
      tensors.push({ name: `blk.${layer}.${part}`, shape, encoding: "F32", data: [bytesOf(values)] });
    }
  }
  const store = memoryStore({ name: "changed" });
  const sink = await store.create("o.gguf");
  await writeGguf(sink, { metadata, tensors });
  await sink.close();
  return store.files.get("o.gguf") ?? new Uint8Array(0);
}

const cases = variants.flatMap((variant) => {
  const model = archModels.find(({ name }) => name === variant.of);
  return model === undefined ? [] : [{ name: variant.name, of: variant.of, variant, model }];
});

describe.skipIf("reason" in client || cases.length === 0)(
  `changed models: ${archScope}${"reason" in client ? ` (skipped: ${client.reason})` : ""}`,
  () => {
    const { llama } = client as Extract<typeof client, { llama: unknown }>;

    it.each(cases)(
      "$of with $name: llama.cpp's logits at all positions",
      async ({ name, variant, model }) => {
        const bytes = await changedGguf(model.path, variant);
        const store = memoryStore({ name: "o" });
        store.files.set("o.gguf", bytes);
        const path = join(folder, `${variant.of} ${name}.gguf`);
        writeFileSync(path, bytes);
        const windows = windowsOf(model.prompt);
        const opened = await openModel({ store, file: "o.gguf" });
        const own = await logitsOf(ggufSource(opened), windows);
        const unchanged = await withHfModel(model.path, async (source) =>
          logitsOf(await hfSource(source), windows),
        );
        const differs = own.some((logits, window) =>
          logits.some((logit, i) => logit !== unchanged[window]?.[i]),
        );
        expect(differs).toBe(variant.computesTheSame !== true);
        takeComplaints();
        const worst = await withModel(llama, path, (loaded) => worstDifference(loaded, windows, own)).catch(
          (cause: unknown) => {
            throw new Error(`llama.cpp: ${takeComplaints().join(" ")}`, { cause });
          },
        );
        const activation = decoderNamed(opened.architecture ?? "")?.activation ?? "silu";
        expect(worst).toBeLessThan(llamaTolerance[activation]);
      },
    );
  },
);
