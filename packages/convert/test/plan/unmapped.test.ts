/**
 * Architectures that no table has: tensor by tensor between safetensors, and to GGUF only after a reference. Oracle: the same
 * weights under the class that is known.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { F16, type MemoryStore, memorySource, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { readGguf, writeGguf } from "@requant/gguf";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Model,
  openModel,
  parseTarget,
  planConversion,
  planReport,
  runPlan,
  verifyModels,
} from "../../src/index.ts";
import { hfDirectory, readWeights, type Weights } from "../hf-directory.ts";

const kjv = fileURLToPath(new URL("../../../../fixtures/kjv/hf", import.meta.url));
const text = (name: string): string => readFileSync(`${kjv}/${name}`, "utf8");
const config: object = JSON.parse(text("config.json"));

let weights: Weights;
/** The bundled Llama with a class, and a tensor, that nobody knows. */
let unknown: Model;
/** The same without the odd tensor: what a reference can be held against. */
let plain: Model;
/** What the known class makes of it. */
let reference: MemoryStore;

function convert(model: Model, target: string, like?: Model): Promise<MemoryStore> {
  return convertTo("o", model, target, like);
}

async function convertTo(name: string, model: Model, target: string, like?: Model): Promise<MemoryStore> {
  const output = memoryStore({ name });
  const outputName = target.startsWith("gguf") ? "o" : undefined;
  const plan = await planConversion(model, parseTarget(target), { outputName, like });
  await runPlan(plan, model, output);
  return output;
}

function asClass(tensors: Weights, changes: object): Promise<MemoryStore> {
  return hfDirectory(tensors, {
    "config.json": JSON.stringify({ ...config, ...changes }),
    "tokenizer.json": text("tokenizer.json"),
    "tokenizer_config.json": text("tokenizer_config.json"),
    "modeling_new.py": "class NewForCausalLM: ...",
  });
}

beforeAll(async () => {
  weights = await readWeights(kjv);
  const odd: Weights = new Map(weights).set("model.layers.0.mixer.decay", {
    shape: [3, 5],
    encoding: "F32",
    bytes: new Uint8Array(new Float32Array(15).fill(0.5).buffer),
  });
  const changes = { architectures: ["NewForCausalLM"], model_type: "new" };
  unknown = await openModel({ store: await asClass(odd, changes) });
  plain = await openModel({ store: await asClass(weights, changes) });
  const known = await openModel({ store: directoryStore(kjv) });
  reference = await convert(known, "gguf:bf16");
  await known.close();
});

async function dataOf(store: MemoryStore): Promise<Record<string, string>> {
  const bytes = store.files.get("o.gguf") ?? new Uint8Array(0);
  const { tensors } = await readGguf(memorySource(bytes));
  return Object.fromEntries(
    tensors.map(({ name, encoding, byteOffset, byteLength }) => [
      name,
      `${encoding} ${createHash("sha256")
        .update(bytes.subarray(byteOffset, byteOffset + byteLength))
        .digest("hex")}`,
    ]),
  );
}

async function keysOf(store: MemoryStore): Promise<unknown> {
  const { metadata } = await readGguf(memorySource(store.files.get("o.gguf") ?? new Uint8Array(0)));
  return [...metadata].map(([key, value]) => [key, value.value]);
}

describe("safetensors to safetensors", () => {
  it("every tensor under its own name, with every side file", async () => {
    const made = await convert(unknown, "safetensors:bf16");
    const model = await openModel({ store: made });
    const names = ({ tensors }: Model): string[] => tensors.map(({ name }) => name).sort();
    expect(names(model)).toEqual(names(unknown));
    for (const [name, { bytes }] of weights) {
      expect(Buffer.compare(await model.readBytes(name, 0, bytes.length), bytes), name).toBe(0);
    }
    expect([...made.files.keys()].sort()).toEqual([
      "config.json",
      "model.safetensors",
      "modeling_new.py",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
  });

  it("to another type: each value rounded by itself", async () => {
    const made = await openModel({ store: await convert(unknown, "safetensors:f16") });
    for (const { name, shape } of unknown.tensors) {
      const count = shape.reduce((product, size) => product * size, 1);
      const values = new Float32Array(count);
      await unknown.weight(name).readRows(0, count / (shape.at(-1) ?? 1), values);
      const expected = new Uint8Array(count * 2);
      F16.quantize?.(values, count, expected);
      expect(Buffer.compare(await made.readBytes(name, 0, count * 2), expected), name).toBe(0);
    }
  });
});

describe("to GGUF", () => {
  it("is refused, naming the class and the way out", async () => {
    await expect(planConversion(unknown, parseTarget("gguf:q8_0"))).rejects.toMatchObject({
      code: "CONVERSION",
      message: expect.stringContaining("NewForCausalLM"),
      hint: expect.stringContaining("`like`"),
    });
  });

  it("after a reference of the same model: its metadata and names, our weights", async () => {
    const like = await openModel({ store: reference, file: "o.gguf" });
    const made = await convert(plain, "gguf:bf16", like);
    expect(await dataOf(made)).toEqual(await dataOf(reference));
    expect(await keysOf(made)).toEqual(await keysOf(reference));
  });

  it("to a quantized type, and after a quantized reference", async () => {
    const store = await convert(plain, "gguf:q4_k_m", await openModel({ store: reference, file: "o.gguf" }));
    const known = await openModel({ store: directoryStore(kjv) });
    const expected = await convert(known, "gguf:q4_k_m");
    await known.close();
    expect(await dataOf(store)).toEqual(await dataOf(expected));
    const again = await convert(plain, "gguf:bf16", await openModel({ store, file: "o.gguf" }));
    expect(await dataOf(again)).toEqual(await dataOf(reference));
  });

  it("a tensor that the reference has not is refused by name", async () => {
    const like = await openModel({ store: reference, file: "o.gguf" });
    await expect(planConversion(unknown, parseTarget("gguf:bf16"), { like })).rejects.toMatchObject({
      code: "CONVERSION",
      message: expect.stringContaining("model.layers.0.mixer.decay"),
    });
  });

  it("every shape is held against the reference's", async () => {
    const bytes = reference.files.get("o.gguf") ?? new Uint8Array(0);
    const { metadata, tensors } = await readGguf(memorySource(bytes));
    for (const wrong of tensors) {
      const store = memoryStore({ name: "wrong" });
      const sink = await store.create("o.gguf");
      await writeGguf(sink, {
        metadata,
        tensors: tensors.map(({ name, shape, encoding, byteOffset, byteLength }) => ({
          name,
          // the same bytes in twice as many, half as long rows
          shape: name === wrong.name ? [...shape.slice(0, -1), 2, (shape.at(-1) ?? 2) / 2] : shape,
          encoding,
          data: [bytes.subarray(byteOffset, byteOffset + byteLength)],
        })),
      });
      await sink.close();
      const like = await openModel({ store, file: "o.gguf" });
      await expect(
        planConversion(plain, parseTarget("gguf:bf16"), { like }),
        wrong.name,
      ).rejects.toMatchObject({ code: "CONVERSION", message: expect.stringContaining(wrong.name) });
    }
  });
});

describe("packed", () => {
  it.each(["compressed-tensors:4bit-128g-sym", "gptq:4bit-128g-sym-marlin", "gptq:4bit-128g-sym-v2"])(
    "GPTQ to %s keeps every weight, and the odd tensor",
    async (target) => {
      const packed = await openModel({ store: await convertTo("packed", unknown, "gptq:4bit-128g-sym") });
      const plan = await planConversion(packed, parseTarget(target), { exact: true });
      expect(plan.tensors.filter(({ linear }) => linear !== undefined).length).toBe(21);
      const made = await openModel({ store: await convertTo("made", packed, target) });
      expect(await verifyModels(packed, made)).toMatchObject({ equal: true, onlyInA: [], onlyInB: [] });
      expect(made.tensors.map(({ name }) => name)).toContain("model.layers.0.mixer.decay");
    },
  );

  it("to GGUF after a reference: the integers in the reference's order of rows", async () => {
    const like = await openModel({ store: reference, file: "o.gguf" });
    const packed = await openModel({ store: await convertTo("packed", plain, "gptq:4bit-128g-sym") });
    await expect(planConversion(packed, parseTarget("gguf:auto"))).rejects.toMatchObject({
      code: "CONVERSION",
      hint: expect.stringContaining("`like`"),
    });
    const plan = await planConversion(packed, parseTarget("gguf:auto"), { like, exact: true });
    const ways = plan.tensors.filter(({ from }) => from.startsWith("GPTQ"));
    expect(new Set(ways.map(({ to, way }) => `${to} ${way.kind}`))).toEqual(new Set(["Q4_0 view"]));
    const known = await openModel({ store: directoryStore(kjv) });
    const packedKnown = await openModel({ store: await convertTo("packed", known, "gptq:4bit-128g-sym") });
    await known.close();
    expect(await dataOf(await convertTo("made", packed, "gguf:auto", like))).toEqual(
      await dataOf(await convertTo("made", packedKnown, "gguf:auto")),
    );
  });
});

it("what a text model leaves out stands in the plan and in its report", async () => {
  const tensors: Weights = new Map(weights);
  for (const name of ["vision_tower.patch.weight", "multi_modal_projector.linear_1.weight"])
    tensors.set(name, { shape: [2, 2], encoding: "BF16", bytes: new Uint8Array(8) });
  const model = await openModel({
    store: await asClass(tensors, {
      architectures: ["LlavaForConditionalGeneration"],
      model_type: "llava",
      text_config: { ...config },
    }),
  });
  const plan = await planConversion(model, parseTarget("gguf:bf16"));
  const reason = expect.stringContaining("vision");
  expect(planReport(plan).leftOut).toEqual([
    { name: "multi_modal_projector.linear_1.weight", reason },
    { name: "vision_tower.patch.weight", reason },
  ]);
  expect(await dataOf(await convert(model, "gguf:bf16"))).toEqual(await dataOf(reference));
});
