/** Qwen2-VL and Qwen2.5-VL (llama.cpp, conversion/qwenvl.py, `Qwen2VLVisionModel`). */
import { UnsupportedError } from "@requant/core";
import { same } from "../architectures/tensors.ts";
import type { Config } from "../config.ts";
import type { JsonObject } from "../json.ts";
import { count, real, text, yes } from "./parameters.ts";
import type { Projector, ProjectorParameter } from "./projector.ts";
import { framePatches, fusedThirds } from "./tensors.ts";

/** Images have any size: llama.cpp's converter writes this one. */
const IMAGE_SIZE = 560;

const layer = "visual.blocks.{layer}";

const attention = [
  same(`${layer}.attn.proj.*`, "v.blk.{layer}.attn_out.*"),
  fusedThirds(`${layer}.attn.qkv.*`),
];

const rest = [
  same(`${layer}.norm1.*`, "v.blk.{layer}.ln1.*"),
  same(`${layer}.norm2.*`, "v.blk.{layer}.ln2.*"),
  same("visual.merger.ln_q.*", "v.post_ln.*"),
  same("visual.merger.mlp.{layer}.*", "mm.{layer}.*"),
  framePatches("visual.patch_embed.proj.weight"),
];

/** The class moves the text model's own epsilon into its section, where the converter does not look. */
const normEpsilon: ProjectorParameter = real("clip.vision.attention.layer_norm_epsilon", () => 1e-6);

export const qwen2Vl: Projector = {
  type: "qwen2vl_merger",
  classes: ["Qwen2VLForConditionalGeneration"],
  encoder: "vision",
  defaults: { depth: 32, embed_dim: 1280, hidden_size: 3584, num_heads: 16, patch_size: 14 },
  settings: (encoder): JsonObject => ({
    ...encoder,
    image_size: encoder["image_size"] ?? IMAGE_SIZE,
    intermediate_size: encoder["hidden_size"] ?? null,
    hidden_size: encoder["embed_dim"] ?? null,
  }),
  parameters: [text("clip.projector_type", "qwen2vl_merger"), normEpsilon],
  tensors: [
    ...attention,
    same(`${layer}.mlp.fc1.*`, "v.blk.{layer}.ffn_up.*"),
    same(`${layer}.mlp.fc2.*`, "v.blk.{layer}.ffn_down.*"),
    ...rest,
  ],
};

/** The layers with full attention, which must stand at equal distances. */
function windowPattern(encoder: Config): number {
  const value = encoder.get("fullatt_block_indexes");
  const layers = Array.isArray(value) ? value.map(Number) : [];
  const pattern = (layers[0] ?? Number.NaN) + 1;
  const isRegular = layers.every(
    (index, place) => place === 0 || index - (layers[place - 1] ?? 0) === pattern,
  );
  if (Number.isInteger(pattern) && isRegular) return pattern;
  throw new UnsupportedError(
    `The layers with full attention are ${layers.join(", ") || "not named"}; GGUF holds only layers at equal distances.`,
    { path: "config.json", hint: "The setting is fullatt_block_indexes of vision_config." },
  );
}

export const qwen25Vl: Projector = {
  type: "qwen2.5vl_merger",
  classes: ["Qwen2_5_VLForConditionalGeneration"],
  encoder: "vision",
  defaults: {
    depth: 32,
    hidden_size: 3584,
    intermediate_size: 3420,
    num_heads: 16,
    patch_size: 14,
    fullatt_block_indexes: [7, 15, 23, 31],
  },
  settings: (encoder): JsonObject => ({ ...encoder, image_size: encoder["image_size"] ?? IMAGE_SIZE }),
  parameters: [
    text("clip.projector_type", "qwen2.5vl_merger"),
    yes("clip.use_silu"),
    count("clip.vision.n_wa_pattern", ({ encoder }) => windowPattern(encoder)),
    normEpsilon,
  ],
  tensors: [
    ...attention,
    same(`${layer}.mlp.gate_proj.*`, "v.blk.{layer}.ffn_gate.*"),
    same(`${layer}.mlp.up_proj.*`, "v.blk.{layer}.ffn_up.*"),
    same(`${layer}.mlp.down_proj.*`, "v.blk.{layer}.ffn_down.*"),
    ...rest,
  ],
};
