/**
 * ggml's own blocks in safetensors, as ModelOpt exports them. Oracle: blocks that ggml wrote, and the values that ggml
 * computes from them (packages/gguf/test/vectors/types).
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { memoryStore } from "@requant/core";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { sha256 } from "../../../../fixtures/linear-cases.ts";
import { type Model, openModel, type Plan, parseTarget, planConversion, runPlan } from "../../src/index.ts";
import { hfDirectory, type StoredTensor, type Weights } from "../hf-directory.ts";
import { config, tokenizer } from "./packed-models.ts";

const vectors = join(import.meta.dirname, "../../../gguf/test/vectors/types");
const manifest = z
  .object({
    rows: z.number(),
    columns: z.number(),
    types: z.record(
      z.string(),
      z.object({ imatrix: z.object({ dequantizedSha256: z.string() }).optional() }),
    ),
  })
  .parse(JSON.parse(readFileSync(join(vectors, "manifest.json"), "utf8")));
const { rows, columns } = manifest;

const DOWN = "model.layers.0.mlp.down_proj.weight";
/** Bytes of a block of 256 weights (ggml, ggml-common.h). */
const TYPES = [
  ["IQ1_S", 50],
  ["IQ2_XXS", 66],
  ["IQ2_XS", 74],
] as const;

const blocksOf = (type: string): Uint8Array =>
  new Uint8Array(readFileSync(join(vectors, `${type.toLowerCase()}.qi.bin`)));

/** A Llama whose down projection is stored so, and everything else zeros in BF16. */
async function directory(type: string, byteLength: number, quantization: object): Promise<Model> {
  const zeros = (shape: readonly number[]): StoredTensor => ({
    shape,
    encoding: "BF16",
    bytes: new Uint8Array(2 * shape.reduce((product, size) => product * size, 1)),
  });
  const layer = "model.layers.0";
  const attention = ["q", "k", "v", "o"].map((part) => `${layer}.self_attn.${part}_proj.weight`);
  const weights: Weights = new Map([
    ["model.embed_tokens.weight", zeros([64, rows])],
    ["lm_head.weight", zeros([64, rows])],
    ["model.norm.weight", zeros([rows])],
    [`${layer}.input_layernorm.weight`, zeros([rows])],
    [`${layer}.post_attention_layernorm.weight`, zeros([rows])],
    ...attention.map((name) => [name, zeros([rows, rows])] as const),
    ...["gate", "up"].map((part) => [`${layer}.mlp.${part}_proj.weight`, zeros([columns, rows])] as const),
    [DOWN, { shape: [rows, columns / 256, byteLength], encoding: "U8", bytes: blocksOf(type) }],
  ]);
  const sizes = {
    hidden_size: rows,
    intermediate_size: columns,
    num_attention_heads: 1,
    num_key_value_heads: 1,
  };
  const quantization_config = { quant_method: "modelopt", producer: { name: "modelopt" }, ...quantization };
  return openModel({
    store: await hfDirectory(weights, {
      "config.json": JSON.stringify({ ...config, ...sizes, quantization_config }),
      "tokenizer.json": JSON.stringify(tokenizer),
      "tokenizer_config.json": JSON.stringify({ tokenizer_class: "PreTrainedTokenizerFast" }),
    }),
  });
}

let outputs = 0;

async function convert(source: Model, target: string): Promise<{ plan: Plan; model: Model }> {
  const store = memoryStore({ name: `${++outputs} ${target}` });
  const isGguf = target.startsWith("gguf");
  const plan = await planConversion(source, parseTarget(target), {
    exact: true,
    ...(isGguf ? { outputName: "o" } : {}),
  });
  await runPlan(plan, source, store);
  return { plan, model: await openModel({ store, ...(isGguf ? { file: "o.gguf" } : {}) }) };
}

describe.each(TYPES)("%s in safetensors", (type, byteLength) => {
  const settings = { quant_algo: type, group_size: 256, packing: "ggml", block_payload_bytes: byteLength };

  it.each([
    ["of the model", settings],
    ["of the module", { quant_algo: "MIXED_PRECISION", quantized_layers: { [DOWN.slice(0, -7)]: settings } }],
  ])("is that type in the model, by the algorithm %s", async (_, quantization) => {
    const source = await directory(type, byteLength, quantization);
    expect(source.tensor(DOWN)).toMatchObject({ encoding: type, shape: [rows, columns] });
    expect(source.unclaimed).toEqual([]);
    expect(source.findings.filter(({ severity }) => severity !== "note")).toEqual([]);
  });

  it("is copied into a GGUF, byte for byte", async () => {
    const { plan, model } = await convert(await directory(type, byteLength, settings), "gguf:auto");
    const down = plan.tensors.find(({ name }) => name === "blk.0.ffn_down.weight");
    expect(down).toMatchObject({ to: type, fidelity: "copy" });
    const { encoding, byteLength: length } = model.tensor("blk.0.ffn_down.weight");
    expect(encoding).toBe(type);
    expect(sha256(await model.readBytes("blk.0.ffn_down.weight", 0, length))).toBe(sha256(blocksOf(type)));
  });

  it("has ggml's values in safetensors:f32", async () => {
    const { model } = await convert(await directory(type, byteLength, settings), "safetensors:f32");
    const values = new Float32Array(rows * columns);
    await model.weight(DOWN).readRows(0, rows, values);
    expect(sha256(values)).toBe(manifest.types[type]?.imatrix?.dequantizedSha256);
  });

  it("is refused by name where the blocks are of another size", async () => {
    const source = await directory(type, byteLength, { ...settings, quant_algo: "IQ1_M" });
    expect(source.tensor(DOWN).encoding).toBe("U8");
    await expect(convert(source, "gguf:auto")).rejects.toMatchObject({
      message: expect.stringContaining(DOWN),
    });
  });
});
