/** Cases from public bug reports (golden set, `reports/gguf`) about GGUF files: each as its `expected.md` asks. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  examineModel,
  inspectModel,
  openModel,
  parseTarget,
  planConversion,
  runPlan,
} from "../packages/convert/src/index.ts";
import {
  type MemoryStore,
  type MetadataValue,
  memorySource,
  memoryStore,
} from "../packages/core/src/index.ts";
import { directoryStore } from "../packages/core/src/io/node/index.ts";
import { readGguf, writeGguf } from "../packages/gguf/src/index.ts";
import { hfToGguf, readHfFiles } from "../packages/models/src/index.ts";
import { openSafetensors } from "../packages/safetensors/src/index.ts";

type Keys = readonly (readonly [string, MetadataValue])[];

const text = (value: string): MetadataValue => ({ type: "string", value });
const u32 = (value: number): MetadataValue => ({ type: "u32", value });
const list = (
  elementType: "u8" | "u16" | "i8" | "u32" | "f64" | "bool",
  value: readonly (number | boolean)[],
): MetadataValue => ({ type: "array", elementType, length: value.length, value }) as MetadataValue;

async function gguf(keys: Keys, tensors: Readonly<Record<string, readonly number[]>>): Promise<MemoryStore> {
  const store = memoryStore({ name: "models" });
  const sink = await store.create("m.gguf");
  await writeGguf(sink, {
    metadata: new Map(keys),
    tensors: Object.entries(tensors).map(([name, shape]) => {
      const count = shape.reduce((product, size) => product * size, 1);
      const values = Uint16Array.from({ length: count }, (_, index) => 0x2c00 + (index % 512));
      return { name, shape, encoding: "F16", data: [new Uint8Array(values.buffer)] };
    }),
  });
  await sink.close();
  return store;
}

async function converted(store: MemoryStore, target: string, shardSize?: number): Promise<MemoryStore> {
  const file = [...store.files.keys()].sort()[0];
  const model = await openModel({ store, file });
  const output = memoryStore({ name: "output" });
  await runPlan(
    await planConversion(model, parseTarget(target), shardSize === undefined ? {} : { shardSize }),
    model,
    output,
  );
  return output;
}

const llama: Keys = [
  ["general.architecture", text("llama")],
  ["llama.block_count", u32(1)],
  ["llama.embedding_length", u32(256)],
  ["llama.context_length", u32(64)],
  ["llama.feed_forward_length", u32(256)],
  ["llama.attention.head_count", u32(2)],
];
const layer = {
  "blk.0.attn_q.weight": [256, 256],
  "blk.0.ffn_up.weight": [256, 256],
  "blk.0.ffn_down.weight": [256, 256],
};

it("gguf/12-split-requantize-and-metadata: one file without split keys, arrays with their types", async () => {
  const arrays: Keys = [
    ["x.u8", list("u8", [1, 2])],
    ["x.u16", list("u16", [500])],
    ["x.i8", list("i8", [-1])],
    ["x.f64", list("f64", [0.1])],
    ["x.bool", list("bool", [true, false])],
  ];
  const parts = await converted(await gguf([...llama, ...arrays], layer), "gguf:copy", 200_000);
  expect(parts.files.size).toBe(3);
  const whole = await converted(parts, "gguf:q4_k_m");
  const [name = ""] = whole.files.keys();
  const { metadata, tensors } = await readGguf(memorySource(whole.files.get(name) ?? new Uint8Array(), name));
  expect([...metadata.keys()].filter((key) => key.startsWith("split."))).toEqual([]);
  expect(tensors).toHaveLength(3);
  for (const [key, value] of arrays) {
    const found = metadata.get(key);
    if (value.type !== "array" || found?.type !== "array") throw new Error(`${key} is no array`);
    expect(found.elementType, key).toBe(value.elementType);
    expect(Array.from<unknown>(found.value), key).toEqual(value.value);
  }
});

it("gguf/21-per-layer-arrays: counts for each layer are inspected and converted", async () => {
  const keys: Keys = [
    ["general.architecture", text("deci")],
    ["deci.block_count", u32(1)],
    ["deci.embedding_length", u32(256)],
    ["deci.attention.head_count", list("u32", [4])],
    ["deci.attention.head_count_kv", list("u32", [2])],
    ["deci.feed_forward_length", list("u32", [256])],
  ];
  const store = await gguf(keys, layer);
  expect((await inspectModel(await openModel({ store, file: "m.gguf" }))).tensorCount).toBe(3);
  expect((await converted(store, "gguf:q4_k_m")).files.size).toBe(1);
});

it("gguf/22-odd-writers: numbers of other widths, and no padding after the last tensor", async () => {
  const wide: Keys = llama.map(([key, value]) => [
    key,
    value.type === "u32" ? { type: "u64", value: BigInt(value.value) } : value,
  ]);
  const odd = await gguf(wide, { ...layer, "output_norm.weight": [256, 1] });
  expect((await inspectModel(await openModel({ store: odd, file: "m.gguf" }))).parameterCount).toBe(
    3 * 256 * 256 + 256,
  );
  const store = await gguf(llama, { "blk.0.attn_q.weight": [2, 32], "blk.0.ffn_norm.weight": [3] });
  const file = store.files.get("m.gguf") ?? new Uint8Array();
  const { tensors } = await readGguf(memorySource(file, "m.gguf"));
  const end = tensors.reduce(
    (most, { byteOffset, byteLength }) => Math.max(most, byteOffset + byteLength),
    0,
  );
  expect(end).toBeLessThan(file.length);
  store.files.set("m.gguf", file.slice(0, end));
  const { findings } = await examineModel({ store, file: "m.gguf" });
  expect(findings.filter(({ code }) => code === "truncated")).toEqual([]);
});

it("gguf/06-mmproj-quantize: matrices become blocks, everything else stays", async () => {
  const keys: Keys = [
    ["general.architecture", text("clip")],
    ["general.type", text("mmproj")],
    ["clip.has_vision_encoder", { type: "bool", value: true }],
  ];
  const store = await gguf(keys, {
    "v.patch_embd.weight": [32, 3, 14, 14],
    "v.position_embd.weight": [257, 64],
    "v.blk.0.attn_q.weight": [64, 64],
    "v.blk.0.attn_q.bias": [64],
    "mm.0.weight": [64, 64],
  });
  const model = await openModel({ store, file: "m.gguf" });
  const { tensors } = await planConversion(model, parseTarget("gguf:q8_0"));
  expect(
    tensors
      .filter(({ to }) => to === "Q8_0")
      .map(({ name }) => name)
      .sort(),
  ).toEqual(["mm.0.weight", "v.blk.0.attn_q.weight"]);
});

const golden = process.env["REQUANT_GOLDEN"];
const glm = join(golden ?? "", "arch/hf/GLM-4.5-tiny-Air");

describe.skipIf(golden === undefined || !existsSync(glm))(
  "gguf/23-mtp-config-vs-tensors (skipped: REQUANT_GOLDEN is not set)",
  () => {
    it.each([
      ["the layer that predicts is left out", false],
      ["it is there", true],
    ])("GLM-4.5: blocks are counted by the tensors, where %s", async (_, isThere) => {
      const model = await openSafetensors(directoryStore(glm));
      const files = new Map(
        readdirSync(glm)
          .filter((name) => /\.(json|jinja|txt)$/.test(name) && !name.includes("index"))
          .map((name) => [name, new Uint8Array(readFileSync(join(glm, name)))] as const),
      );
      const config = JSON.parse(readFileSync(join(glm, "config.json"), "utf8"));
      const layers: number = config.num_hidden_layers;
      const changed = new TextEncoder().encode(JSON.stringify({ ...config, num_nextn_predict_layers: 1 }));
      files.set("config.json", changed);
      const own = model.tensors.filter(({ name }) => !name.includes(`layers.${layers}.`));
      const extra = own
        .filter(({ name }) => name.includes(`layers.${layers - 1}.`))
        .map((tensor) => ({
          ...tensor,
          name: tensor.name.replace(`layers.${layers - 1}.`, `layers.${layers}.`),
        }));
      const read = readHfFiles("glm", files, isThere ? [...own, ...extra] : own);
      const { metadata } = hfToGguf(read, { fileType: "BF16", tokenizer: false });
      expect(metadata.get("glm4moe.block_count")?.value).toBe(isThere ? layers + 1 : layers);
      expect(metadata.get("glm4moe.nextn_predict_layers")?.value).toBe(isThere ? 1 : 0);
      await model.close();
    });
  },
);
