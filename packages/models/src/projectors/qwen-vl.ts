/** Qwen2-VL, Qwen2.5-VL and Qwen2.5-Omni (llama.cpp, conversion/qwenvl.py, `Qwen2VLVisionModel` and `Qwen25OmniModel`). */
import { UnsupportedError } from "@requant/core";
import { same } from "../architectures/tensors.ts";
import type { Config } from "../config.ts";
import type { JsonObject } from "../json.ts";
import { f32, u32 } from "../metadata-values.ts";
import { count, real, text, yes } from "./parameters.ts";
import type { Projector, ProjectorParameter } from "./projector.ts";
import { framePatches, fusedThirds } from "./tensors.ts";
import { whisperLayers, whisperNames, whisperTypes } from "./whisper.ts";

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

const vl25Defaults: JsonObject = {
  depth: 32,
  hidden_size: 3584,
  intermediate_size: 3420,
  num_heads: 16,
  patch_size: 14,
  fullatt_block_indexes: [7, 15, 23, 31],
};

const vl25Settings = (encoder: JsonObject): JsonObject => ({
  ...encoder,
  image_size: encoder["image_size"] ?? IMAGE_SIZE,
});

const vl25Parameters: readonly ProjectorParameter[] = [
  yes("clip.use_silu"),
  count("clip.vision.n_wa_pattern", ({ encoder }) => windowPattern(encoder)),
  normEpsilon,
];

const vl25Rest = [
  same(`${layer}.mlp.gate_proj.*`, "v.blk.{layer}.ffn_gate.*"),
  same(`${layer}.mlp.up_proj.*`, "v.blk.{layer}.ffn_up.*"),
  same(`${layer}.mlp.down_proj.*`, "v.blk.{layer}.ffn_down.*"),
  ...rest,
];

export const qwen25Vl: Projector = {
  type: "qwen2.5vl_merger",
  classes: ["Qwen2_5_VLForConditionalGeneration"],
  encoder: "vision",
  defaults: vl25Defaults,
  settings: vl25Settings,
  parameters: [text("clip.projector_type", "qwen2.5vl_merger"), ...vl25Parameters],
  tensors: [...attention, ...vl25Rest],
};

/** Frames of sound, which the checkpoint does not say. */
const SOUND_POSITIONS = 1500;

/** Images and sound; its patches attend with separate q, k and v. */
export const qwen25Omni: Projector = {
  type: "qwen2.5o",
  classes: ["Qwen2_5OmniModel"],
  encoder: "vision",
  defaults: vl25Defaults,
  settings: vl25Settings,
  second: {
    encoder: "audio",
    defaults: {
      d_model: 1280,
      encoder_layers: 32,
      encoder_ffn_dim: 5120,
      encoder_attention_heads: 20,
      num_mel_bins: 128,
    },
    settings: whisperNames,
  },
  parameters: [
    { key: "clip.audio.num_mel_bins", value: ({ second }) => second && u32(second.need("num_mel_bins")) },
    {
      key: "clip.audio.attention.layer_norm_epsilon",
      value: ({ second }) => second && f32(second.number("layer_norm_eps") ?? 1e-5),
    },
    text("clip.projector_type", "qwen2.5o"),
    ...vl25Parameters,
  ],
  prefix: "thinker.",
  tensors: [
    ...["q", "k", "v"].map((part) => same(`${layer}.attn.${part}.*`, `v.blk.{layer}.attn_${part}.*`)),
    same(`${layer}.attn.proj.*`, "v.blk.{layer}.attn_out.*"),
    ...vl25Rest,
    ...whisperLayers,
    same("audio_tower.ln_post.*", "a.post_ln.*"),
    same("audio_tower.proj.*", "mm.a.fc.*"),
  ],
  computed: [
    {
      name: "a.position_embd.weight",
      shape: ({ second }) => [SOUND_POSITIONS, second?.need("hidden_size") ?? 0],
      input: ({ second }) => ({ positions: SOUND_POSITIONS, width: second?.need("hidden_size") ?? 0 }),
    },
  ],
  leftOut: [
    {
      pattern: /(?:^|\.)audio_bos_eos_token\./,
      reason: "transformers does not use it, and llama.cpp's converter leaves it out",
    },
    { pattern: /^(?:talker|token2wav)\./, reason: "a part that speaks: no GGUF of a projector holds it" },
  ],
  types: whisperTypes,
};
