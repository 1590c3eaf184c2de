/** Gemma 4: an encoder for images and, in small models, one for sound (llama.cpp, conversion/gemma.py, `Gemma4VisionAudioModel`). */
import type { TensorRule } from "../architectures/architecture.ts";
import { arithmetic, reshaped, same, squeezed } from "../architectures/tensors.ts";
import type { Config } from "../config.ts";
import { f32, string, u32 } from "../metadata-values.ts";
import { epsilon, text } from "./parameters.ts";
import type { Projector, ProjectorParameter } from "./projector.ts";
import { linearPatches } from "./tensors.ts";

/** A linear layer that cuts its inputs and outputs off at bounds: the bounds are numbers without an axis. */
function clipped(hf: string, gguf: string): readonly TensorRule[] {
  const bounds = ["input_max", "input_min", "output_max", "output_min"];
  return [
    same(`${hf}.linear.weight`, `${gguf}.weight`),
    ...bounds.map((bound) =>
      reshaped(
        `${hf}.${bound}`,
        `${gguf}.${bound}`,
        () => [1],
        () => [],
      ),
    ),
  ];
}

const image = "vision_tower.encoder.layers.{layer}";
const imageBlock = "v.blk.{layer}";

const vision: readonly TensorRule[] = [
  same("embed_vision.embedding_projection.weight", "mm.input_projection.weight"),
  same(`${image}.input_layernorm.weight`, `${imageBlock}.ln1.weight`),
  ...["down", "gate", "up"].flatMap((part) =>
    clipped(`${image}.mlp.${part}_proj`, `${imageBlock}.ffn_${part}`),
  ),
  same(`${image}.post_attention_layernorm.weight`, `${imageBlock}.attn_post_norm.weight`),
  same(`${image}.post_feedforward_layernorm.weight`, `${imageBlock}.ffn_post_norm.weight`),
  same(`${image}.pre_feedforward_layernorm.weight`, `${imageBlock}.ln2.weight`),
  ...["q", "k"].map((part) =>
    same(`${image}.self_attn.${part}_norm.weight`, `${imageBlock}.attn_${part}_norm.weight`),
  ),
  ...["q", "k", "v"].flatMap((part) =>
    clipped(`${image}.self_attn.${part}_proj`, `${imageBlock}.attn_${part}`),
  ),
  ...clipped(`${image}.self_attn.o_proj`, `${imageBlock}.attn_out`),
  linearPatches("vision_tower.patch_embedder.input_proj.weight", "v.patch_embd.weight"),
  same("vision_tower.patch_embedder.position_embedding_table", "v.position_embd.weight"),
  same("vision_tower.std_bias", "v.std_bias"),
  same("vision_tower.std_scale", "v.std_scale"),
];

const sound = "audio_tower.layers.{layer}";
const soundBlock = "a.blk.{layer}";
const subsampling = "audio_tower.subsample_conv_projection";

/** The feed-forward before the attention and the one behind the convolution. */
function soundFeedForward(number: 1 | 2): readonly TensorRule[] {
  const end = number === 1 ? "" : "_1";
  const part = `${sound}.feed_forward${number}`;
  return [
    ...clipped(`${part}.ffw_layer_1`, `${soundBlock}.ffn_up${end}`),
    ...clipped(`${part}.ffw_layer_2`, `${soundBlock}.ffn_down${end}`),
    same(`${part}.post_layer_norm.weight`, `${soundBlock}.ffn_post_norm${end}.weight`),
    same(`${part}.pre_layer_norm.weight`, `${soundBlock}.ffn_norm${end}.weight`),
  ];
}

const audio: readonly TensorRule[] = [
  ...soundFeedForward(1),
  ...soundFeedForward(2),
  same(`${sound}.lconv1d.conv_norm.weight`, `${soundBlock}.norm_conv.weight`),
  squeezed(`${sound}.lconv1d.depthwise_conv1d.weight`, `${soundBlock}.conv_dw.weight`),
  ...clipped(`${sound}.lconv1d.linear_end`, `${soundBlock}.conv_pw2`),
  ...clipped(`${sound}.lconv1d.linear_start`, `${soundBlock}.conv_pw1`),
  same(`${sound}.lconv1d.pre_layer_norm.weight`, `${soundBlock}.conv_norm.weight`),
  same(`${sound}.norm_out.weight`, `${soundBlock}.ln2.weight`),
  same(`${sound}.norm_post_attn.weight`, `${soundBlock}.attn_post_norm.weight`),
  same(`${sound}.norm_pre_attn.weight`, `${soundBlock}.attn_pre_norm.weight`),
  arithmetic(
    `${sound}.self_attn.per_dim_scale`,
    `${soundBlock}.per_dim_scale.weight`,
    "softplus",
    "inverse-softplus",
  ),
  ...clipped(`${sound}.self_attn.post`, `${soundBlock}.attn_out`),
  same(`${sound}.self_attn.relative_k_proj.weight`, `${soundBlock}.attn_k_rel.weight`),
  ...["q", "k", "v"].flatMap((part) =>
    clipped(`${sound}.self_attn.${part}_proj`, `${soundBlock}.attn_${part}`),
  ),
  same("audio_tower.output_proj.*", "a.pre_encode.out.*"),
  same(`${subsampling}.input_proj_linear.weight`, "a.input_projection.weight"),
  same(`${subsampling}.layer{layer}.conv.weight`, "a.conv1d.{layer}.weight"),
  same(`${subsampling}.layer{layer}.norm.weight`, "a.conv1d.{layer}.norm.weight"),
  same("embed_audio.embedding_projection.weight", "mm.a.input_projection.weight"),
];

/** A key of the encoder for sound, which large models lack. */
function ofSound(key: string, value: (sound: Config) => ReturnType<typeof u32>): ProjectorParameter {
  return { key, value: ({ second }) => second && value(second) };
}

export const gemma4: Projector = {
  type: "gemma4v",
  classes: ["Gemma4ForConditionalGeneration"],
  encoder: "vision",
  defaults: {
    hidden_size: 768,
    intermediate_size: 3072,
    num_hidden_layers: 16,
    num_attention_heads: 12,
    patch_size: 16,
  },
  // images have any size: llama.cpp's converter writes this one
  settings: (encoder) => ({ ...encoder, image_size: 224 }),
  second: {
    encoder: "audio",
    defaults: { hidden_size: 1024, num_hidden_layers: 12, num_attention_heads: 8 },
    settings: (encoder) => ({ ...encoder, intermediate_size: Number(encoder["hidden_size"]) * 4 }),
  },
  parameters: [
    text("clip.vision.projector_type", "gemma4v"),
    epsilon("vision", 1e-6),
    ofSound("clip.audio.projector_type", () => string("gemma4a")),
    ofSound("clip.audio.num_mel_bins", (config) => u32(config.count("input_feat_size") ?? 128)),
    ofSound("clip.audio.attention.layer_norm_epsilon", (config) =>
      f32(config.number("layer_norm_eps") ?? 1e-6),
    ),
  ],
  prefix: "model.",
  tensors: [...vision, ...audio],
  types: [{ name: /^a\.(?:conv1d\.|input_projection\.|blk\.\d{1,6}\.conv_dw\.)/, type: "F32" }],
};
