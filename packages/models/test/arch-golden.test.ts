/**
 * Every model of the golden sets of families, in both directions. Oracle: what llama.cpp 0.7.0's converter writes
 * (manifest.json: metadata, tensors, sha256 of each tensor in F32), and for the opposite direction the checkpoint itself.
 * The whole files are compared in `packages/convert/test/run/arch-files.test.ts`.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import { ConversionError, elementCount, rowCount } from "@requant/core";
import { describe, expect, test } from "vitest";
import { parseManifest, pendingFamilies, refusedBack } from "../../../fixtures/arch-golden.ts";
import {
  type GgufModelPlan,
  type HfFiles,
  type HfPlan,
  hfToGguf,
  openWeight,
  type WeightPlan,
  type WeightSource,
} from "../src/index.ts";
import { backTo, configDifferences, filesOf, idDifferences, listed, orderless } from "./comparisons.ts";
import { type ManifestModel, readDirectory, readWeights, type StoredWeights, sha256 } from "./golden.ts";

const golden = process.env["REQUANT_GOLDEN"] ?? "";

interface Entry {
  readonly name: string;
  readonly directory: string;
  readonly model: ManifestModel;
}

/** The text models of one set. Projectors have a test of their own. */
function entriesOf(set: string): readonly Entry[] {
  const path = join(golden, set, "manifest.json");
  if (golden === "" || !existsSync(path)) return [];
  const models: Record<string, ManifestModel> = parseManifest(readFileSync(path, "utf8")).models;
  return Object.entries(models)
    .filter(([, model]) => model.convert_args?.includes("--mmproj") !== true)
    .map(([name, model]) => ({ name, directory: join(golden, set, model.dir), model }));
}

const entries = [...entriesOf("arch"), ...entriesOf("arch2")];
const converted = entries.filter(({ name }) => !Object.hasOwn(pendingFamilies, name));
const pending = entries.filter(({ name }) => Object.hasOwn(pendingFamilies, name));
const restored = converted.filter(({ name }) => !Object.hasOwn(refusedBack, name));
const refused = converted.filter(({ name }) => Object.hasOwn(refusedBack, name));

/** In three uneven bands: rows must not depend on chunking. */
async function whole(plan: WeightPlan, source: WeightSource): Promise<Float32Array> {
  const out = new Float32Array(elementCount(plan.shape));
  const reader = openWeight(plan, source);
  const rows = rowCount(plan.shape);
  const length = plan.shape.at(-1) ?? 1;
  const cuts = [0, Math.floor(rows / 3), Math.floor((2 * rows) / 3) + 1, rows];
  for (let band = 0; band < 3; band++) {
    const start = Math.min(cuts[band] ?? 0, rows);
    const end = Math.min(cuts[band + 1] ?? rows, rows);
    if (start < end) await reader.readRows(start, end, out.subarray(start * length, end * length));
  }
  return out;
}

const hash = (values: Float32Array): string => sha256(new Uint8Array(values.buffer));
const isMxfp4 = (plan: WeightPlan): boolean => plan.keeps === "MXFP4";
const isMapped = (plan: WeightPlan): boolean =>
  plan.inputs.some((input) => "map" in input && input.map !== undefined);

/** T5's files do not say that texts end with the end token, which llama.cpp then assumes; the written tokenizer.json says it. */
const addsEos = ["tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token"];

/** Keys that are not the same after the way back and there again, and why. */
const changedKeys: Readonly<Record<string, readonly string[]>> = {
  // sentencepiece.bpe.model lacks the mask, which the converter writes as an unused token; tokenizer.json has it
  // config.json names a token beyond the vocabulary
  codeshell: ["tokenizer.ggml.bos_token_id"],
  t5: addsEos,
  mt5: addsEos,
  umt5: addsEos,
  t5encoder: addsEos,
  xlm_roberta: ["tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.scores"],
};

/** Models whose tokenizer a GGUF does not hold: what the report says of it. */
const lostTokenizers: Readonly<Record<string, RegExp>> = {
  deci: /all tokens have the same score, so the merges are lost/,
  xverse: /all tokens have the same score, so the merges are lost/,
};

/** Settings of config.json that are not the same after the way back, and why. */
const changedSettings: Readonly<Record<string, readonly string[]>> = {
  // the text model's settings say that the head is not the embedding, but the checkpoint has no other head
  // llama.cpp does not compute dynamic scaling, and its converter does not write it
  internlm3: ["rope_parameters"],
  mistral3_vl: ["tie_word_embeddings"],
};

/** general.* is read from the directory's name and README. */
const ofModel = (plan: GgufModelPlan, without: readonly string[]) =>
  listed(plan).filter(({ key }) => !key.startsWith("general.") && !without.includes(key));

interface Opened {
  readonly name: string;
  readonly model: ManifestModel;
  readonly files: HfFiles;
  readonly weights: StoredWeights;
  readonly halfType: string;
  readonly plan: GgufModelPlan;
}

function open({ name, directory, model }: Entry): Opened {
  const weights = readWeights(directory);
  const files = readDirectory(directory, weights);
  const halfType = Object.keys(model.gguf).find((type) => type !== "F32") ?? "F16";
  return { name, model, files, weights, halfType, plan: hfToGguf(files, { fileType: halfType }) };
}

function checkMetadata({ model, files, halfType, plan }: Opened): void {
  expect(listed(plan)).toEqual(orderless(model.metadata));
  const inF32 = model.metadata.map(
    (entry) => model.metadata_differences_in_F32.find(({ key }) => key === entry.key) ?? entry,
  );
  expect(listed(hfToGguf(files, { fileType: "F32" }))).toEqual(orderless(inF32));
  const typeOf = ({ keeps, forceF32 }: WeightPlan): string => keeps ?? (forceF32 ? "F32" : halfType);
  expect(plan.tensors.map((tensor) => [tensor.name, tensor.shape, typeOf(tensor)])).toEqual(
    model.tensors.map(({ name, shape, types }) => [name, shape, types[halfType]?.type]),
  );
}

async function valuesOf({ model, weights, plan }: Opened): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const [index, tensor] of plan.tensors.entries()) {
    if (isMxfp4(tensor)) continue;
    const made = await whole(tensor, weights.source);
    values.set(tensor.name, made);
    expect(`${tensor.name} ${hash(made)}`).toBe(
      `${tensor.name} ${model.tensors[index]?.types["F32"]?.sha256}`,
    );
  }
  return values;
}

/**
 * A name without the prefixes in which a bare model, a text model and a multimodal model differ. transformers saves the
 * embedding of Nemotron-H under another name than the published checkpoints have.
 */
const bare = (name: string): string =>
  name
    .replace(/^(?:(?:model|language_model|text_model)\.)+/, "")
    .replace(/^backbone\.embedding\./, "backbone.embeddings.");

/**
 * Entries whose GGUF holds products of the weights and of numbers that it does not hold: they come back as another model
 * that computes the same.
 */
const productsOnly = new Set(["falcon_h1", "jais"]);

/** The GGUF of the directory that a GGUF is converted back to has the same values. */
async function checkSameGgufAgain(plan: GgufModelPlan, back: HfPlan, source: WeightSource): Promise<void> {
  const restored = new Map(back.tensors.map((tensor) => [tensor.name, tensor]));
  const directory: WeightSource = {
    shapeOf: (name) => restored.get(name)?.shape ?? [],
    async readRows(name, start, end, out) {
      const tensor = restored.get(name);
      if (tensor !== undefined) await openWeight(tensor, source).readRows(start, end, out);
    },
  };
  const again = hfToGguf(filesOf(back), { fileType: "F32" });
  expect(again.tensors.map(({ name }) => name).sort()).toEqual(plan.tensors.map(({ name }) => name).sort());
  for (const tensor of again.tensors) {
    const stored = { ...tensor, inputs: [{ tensor: tensor.name }] };
    expect(`${tensor.name} ${hash(await whole(tensor, directory))}`).toBe(
      `${tensor.name} ${hash(await whole(stored, source))}`,
    );
  }
}

async function checkTensorsBack(opened: Opened, values: ReadonlyMap<string, Float32Array>): Promise<void> {
  const { weights, plan } = opened;
  const back = backTo(plan, values);
  const shapes = new Map(plan.tensors.map(({ name, shape }) => [name, shape]));
  const source: WeightSource = {
    shapeOf: (name) => shapes.get(name) ?? [],
    async readRows(name, start, end, out) {
      const length = shapes.get(name)?.at(-1) ?? 1;
      out.set((values.get(name) ?? new Float32Array(0)).subarray(start * length, end * length));
    },
  };
  if (productsOnly.has(opened.name)) return checkSameGgufAgain(plan, back, source);
  const leftOut = new Set(plan.leftOut.map(({ name }) => name));
  const stored = new Map(
    weights.tensors.flatMap(({ name }) => (leftOut.has(name) ? [] : [[bare(name), name] as const])),
  );
  // MXFP4 experts come back as plain ones
  const isPlain = plan.tensors.some(isMxfp4);
  if (!isPlain) expect(back.tensors.map(({ name }) => bare(name)).sort()).toEqual([...stored.keys()].sort());
  for (const tensor of back.tensors) {
    const original = stored.get(bare(tensor.name));
    if (original === undefined) continue;
    const before = await whole({ ...tensor, inputs: [{ tensor: original }] }, weights.source);
    const after = await whole(tensor, source);
    if (!isMapped(tensor)) {
      // zeros at the beginning stand for rows that no model looks up and that a GGUF does not hold
      const [first] = tensor.inputs;
      const start = first !== undefined && "zeros" in first ? first.zeros : 0;
      expect(`${tensor.name} ${hash(after.slice(start))}`).toBe(
        `${tensor.name} ${hash(before.slice(start))}`,
      );
      continue;
    }
    // x + 1 - 1 and log(exp(x)) lose at most a rounding of the sum or the power
    const worst = after.reduce((most, value, i) => Math.max(most, Math.abs(value - (before[i] ?? 0))), 0);
    expect(worst).toBeLessThan(5e-7);
  }
}

function checkFilesBack({ name, files, model, plan, halfType }: Opened): void {
  const back = backTo(plan);
  const differences = configDifferences(files, back);
  const settings = changedSettings[name] ?? [];
  expect(differences.filter((one) => !settings.some((key) => one.startsWith(`${key}:`)))).toEqual([]);
  expect(idDifferences(files, back)).toEqual([]);
  const lost = lostTokenizers[name];
  if (lost !== undefined) {
    const withoutTokens = (one: GgufModelPlan) =>
      ofModel(one, []).filter(({ key }) => !key.startsWith("tokenizer."));
    const again = hfToGguf(filesOf(back), { fileType: halfType, tokenizer: false });
    expect(withoutTokens(again)).toEqual(withoutTokens(plan));
    expect(back.leftOut.find((one) => one.name === "tokenizer")?.reason).toMatch(lost);
    return;
  }
  const changed = changedKeys[name] ?? [];
  expect(ofModel(hfToGguf(filesOf(back), { fileType: halfType }), changed)).toEqual(ofModel(plan, changed));
  expect(back.leftOut.filter((one) => one.name === "tokenizer")).toEqual([]);
  // vocabularies that tokenizer.json cannot hold: own-vocabularies.test.ts
  if (!back.files.has("tokenizer.json")) return;
  const json = String(back.files.get("tokenizer.json"));
  const ours = new Tokenizer(JSON.parse(json), JSON.parse(String(back.files.get("tokenizer_config.json"))));
  for (const { text, llamacpp, transformers } of model.tokenization) {
    const spaced = !files.tokenizerJson && /"prepend_scheme":\s*"first"/.test(json) && text.startsWith(" ");
    // the directory has DeepSeek's tokenizer.json; that of a GGUF cuts as llama.cpp does for the family's name
    const expected = name === "afmoe" ? llamacpp : (transformers ?? llamacpp);
    expect([text, ours.encode(spaced ? ` ${text}` : text).ids]).toEqual([text, expected]);
  }
}

describe.skipIf(golden === "")("families (skipped: REQUANT_GOLDEN is not set)", () => {
  test.each(converted)(
    "$name → GGUF: metadata, and each tensor's name, shape, type and values",
    async (entry) => {
      const opened = open(entry);
      checkMetadata(opened);
      await valuesOf(opened);
    },
  );

  test.each(restored)(
    "$name, back to Hugging Face: tensors, config, tokenizer, the same GGUF again",
    async (entry) => {
      const opened = open(entry);
      await checkTensorsBack(opened, await valuesOf(opened));
      checkFilesBack(opened);
    },
  );

  test.each(refused)("$name is refused on the way back", (entry) => {
    const { plan } = open(entry);
    expect(() => backTo(plan)).toThrow(ConversionError);
    expect(() => backTo(plan)).toThrow(refusedBack[entry.name] ?? "");
  });

  test.each(pending)("$name is still listed as not converted, rightly", async (entry) => {
    const check = async (): Promise<void> => {
      const opened = open(entry);
      checkMetadata(opened);
      await checkTensorsBack(opened, await valuesOf(opened));
      checkFilesBack(opened);
    };
    await expect(check()).rejects.toThrow();
  });
});
