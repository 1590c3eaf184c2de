/**
 * Multimodal checkpoints and prediction heads: the text model inside is converted like a text model alone, and every
 * other tensor is reported with a reason. Oracle: the plan of the bare text model, which the vectors prove. Names: the
 * published checkpoints' indices.
 */
import { describe, expect, test } from "vitest";
import { type HfFiles, hfToGguf, readHfFiles } from "../src/index.ts";
import { asListed } from "./golden.ts";
import { readVector, vectorFiles } from "./vector.ts";

interface Wrapper {
  readonly vector: string;
  readonly config: (text: HfFiles["config"]) => HfFiles["config"];
  readonly rename: (name: string) => string;
  readonly extra: readonly (readonly [name: string, reason: RegExp])[];
}

const vision = /vision encoder/;
const audio = /audio encoder/;
const prediction = /multi-token prediction/;

const wrapped =
  (name: string, type: string) =>
  (text: HfFiles["config"]): HfFiles["config"] => ({
    architectures: [name],
    model_type: type,
    text_config: text,
    vision_config: { hidden_size: 8 },
  });
const inside = (name: string): string => name.replace(/^model\./, "model.language_model.");
const before = (name: string): string => `language_model.${name}`;

const wrappers: Readonly<Record<string, Wrapper>> = {
  "Gemma 3 with SigLIP, as published": {
    vector: "gemma3",
    config: wrapped("Gemma3ForConditionalGeneration", "gemma3"),
    rename: before,
    extra: [
      ["vision_tower.vision_model.encoder.layers.0.layer_norm1.weight", vision],
      ["vision_tower.vision_model.embeddings.patch_embedding.weight", vision],
      ["multi_modal_projector.mm_input_projection_weight", vision],
      ["multi_modal_projector.mm_soft_emb_norm.weight", vision],
    ],
  },
  "Gemma 4 with vision and audio": {
    vector: "gemma4",
    config: wrapped("Gemma4ForConditionalGeneration", "gemma4"),
    rename: inside,
    extra: [
      ["model.vision_tower.encoder.layers.0.self_attn.q_proj.linear.weight", vision],
      ["model.embed_vision.embedding_projection.weight", vision],
      ["model.audio_tower.layers.0.feed_forward1.ffw_layer_1.linear.weight", audio],
      ["model.embed_audio.embedding_projection.weight", audio],
    ],
  },
  "Llama 4": {
    vector: "llama4",
    config: wrapped("Llama4ForConditionalGeneration", "llama4"),
    rename: before,
    extra: [
      ["vision_model.model.layers.0.self_attn.q_proj.weight", vision],
      ["vision_model.patch_embedding.linear.weight", vision],
      ["multi_modal_projector.linear_1.weight", vision],
    ],
  },
  "Qwen 3.5 with its vision tower": {
    vector: "qwen35",
    config: wrapped("Qwen3_5ForConditionalGeneration", "qwen3_5"),
    rename: inside,
    extra: [
      ["model.visual.blocks.0.attn.qkv.weight", vision],
      ["model.visual.merger.linear_fc1.bias", vision],
    ],
  },
  "Mistral Small 3.1": {
    vector: "mistral",
    config: wrapped("Mistral3ForConditionalGeneration", "mistral3"),
    rename: before,
    extra: [
      ["vision_tower.transformer.layers.0.attention.q_proj.weight", vision],
      ["multi_modal_projector.patch_merger.merging_layer.weight", vision],
    ],
  },
  "LLaVA around a Llama": {
    vector: "llama2",
    config: wrapped("LlavaForConditionalGeneration", "llava"),
    rename: before,
    extra: [
      ["vision_tower.vision_model.post_layernorm.weight", vision],
      ["multi_modal_projector.linear_2.bias", vision],
    ],
  },
  "DeepSeek V3's prediction layer": {
    vector: "deepseek3",
    config: (text) => ({ ...text, num_nextn_predict_layers: 1 }),
    rename: (name) => name,
    extra: [
      ["model.layers.2.eh_proj.weight", prediction],
      ["model.layers.2.enorm.weight", prediction],
      ["model.layers.2.shared_head.head.weight", prediction],
      ["model.layers.2.self_attn.q_a_proj.weight", prediction],
    ],
  },
};

describe.each(Object.entries(wrappers))("%s", (title, { vector: name, config, rename, extra }) => {
  const vector = readVector(name);
  const bare = vectorFiles(vector);
  const files: HfFiles = {
    ...bare,
    config: config(bare.config),
    tensors: [
      ...bare.tensors.map((tensor) => ({ ...tensor, name: rename(tensor.name) })),
      ...extra.map(([tensor]) => ({
        name: tensor,
        shape: [8, 8],
        encoding: "BF16",
        file: "model.safetensors",
      })),
    ],
  };
  const alone = hfToGguf(bare, { fileType: vector.fileType });
  const plan = hfToGguf(files, { fileType: vector.fileType });

  test("the text model equals the bare one", () => {
    // llama.cpp has a name of its own for the language model of Mistral Small 3.1 (golden/arch2, mistral3_vl)
    const ownName = title === "Mistral Small 3.1" ? "mistral3" : alone.architecture;
    expect(plan.architecture).toBe(ownName);
    const tensors = (one: typeof plan) =>
      one.tensors.map(({ name: tensor, shape }) => `${tensor} ${shape}`).sort();
    expect(tensors(plan)).toEqual(tensors(alone));
    // general.* is read from the root of config.json too, where a wrapper has its own
    const keys = (one: typeof plan) =>
      [...one.metadata]
        .filter(([key]) => !key.startsWith("general."))
        .map(([key, value]) => asListed(key.replace(`${one.architecture}.`, "~."), value));
    expect(keys(plan)).toEqual(keys(alone));
  });

  test("every other tensor is reported with its reason", () => {
    const reasons = new Map(plan.leftOut.map((one) => [one.name, one.reason]));
    expect([...reasons.keys()].sort()).toEqual(extra.map(([tensor]) => tensor).sort());
    for (const [tensor, reason] of extra) expect(reasons.get(tensor)).toMatch(reason);
  });
});

test("prediction layers that llama.cpp runs are converted, not left out", () => {
  for (const name of ["qwen3next", "qwen35", "qwen35moe"]) {
    const plan = hfToGguf(vectorFiles(readVector(name)), { fileType: "BF16" });
    expect(plan.leftOut).toEqual([]);
    expect(plan.tensors.some(({ name: tensor }) => tensor.includes(".nextn."))).toBe(true);
  }
});

describe("dense layers behind the pooling of a sentence-transformers model", () => {
  const vector = readVector("gemma3");
  const plan = (modules: string | undefined) => {
    const files = vectorFiles(vector);
    const { denseFolders } = readHfFiles(
      "d",
      new Map([
        ["config.json", "{}"],
        ...(modules === undefined ? [] : [["modules.json", modules] as const]),
      ]),
      [],
    );
    return hfToGguf({ ...files, denseFolders }, { fileType: "BF16" });
  };

  // modules.json as google/embeddinggemma-300m has it
  const type = (name: string): string => `sentence_transformers.models.${name}`;
  const published = [
    { idx: 0, name: "0", path: "", type: type("Transformer") },
    { idx: 1, name: "1", path: "1_Pooling", type: type("Pooling") },
    { idx: 2, name: "2", path: "2_Dense", type: type("Dense") },
    { idx: 3, name: "3", path: "3_Dense", type: type("Dense") },
    { idx: 4, name: "4", path: "4_Normalize", type: type("Normalize") },
  ];

  test("are named, and change nothing else", () => {
    const { leftOut, ...rest } = plan(JSON.stringify(published));
    expect(leftOut.map(({ name }) => name)).toEqual([
      "2_Dense/model.safetensors",
      "3_Dense/model.safetensors",
    ]);
    expect(leftOut.map(({ reason }) => /a dense layer behind the pooling/.test(reason))).toEqual([
      true,
      true,
    ]);
    const { leftOut: none, ...same } = plan(undefined);
    expect(none).toEqual([]);
    expect(rest).toEqual(same);
  });

  test.each(["{}", "no JSON", '[1, null, {"type": 3}, {"type": "x.Dense"}]'])("%s names none", (modules) => {
    expect(plan(modules).leftOut).toEqual([]);
  });
});
