/** Encoders of Whisper's kind: Qwen2-Audio, Ultravox and Voxtral (llama.cpp, conversion/ultravox.py, `WhisperEncoderModel`). */
import type { TensorRule } from "../architectures/architecture.ts";
import { reshaped, same } from "../architectures/tensors.ts";
import type { JsonObject } from "../json.ts";
import { count, epsilon, text } from "./parameters.ts";
import type { Projector, ProjectorParameter } from "./projector.ts";

const layer = "audio_tower.layers.{layer}";

/** A bias as a column, so that it is added to each frame. */
function columnBias(hf: string, gguf: string): TensorRule {
  return reshaped(
    hf,
    gguf,
    (shape) => [...shape, 1],
    (shape) => shape.slice(0, 1),
  );
}

/** The convolutions and layers of Whisper's encoder. */
export const whisperLayers: readonly TensorRule[] = [
  ...["1", "2"].flatMap((number) => [
    columnBias(`audio_tower.conv${number}.bias`, `a.conv1d.${number}.bias`),
    same(`audio_tower.conv${number}.weight`, `a.conv1d.${number}.weight`),
  ]),
  same(`${layer}.fc1.*`, "a.blk.{layer}.ffn_up.*"),
  same(`${layer}.fc2.*`, "a.blk.{layer}.ffn_down.*"),
  same(`${layer}.final_layer_norm.*`, "a.blk.{layer}.ln2.*"),
  same(`${layer}.self_attn.k_proj.*`, "a.blk.{layer}.attn_k.*"),
  same(`${layer}.self_attn.out_proj.*`, "a.blk.{layer}.attn_out.*"),
  same(`${layer}.self_attn.q_proj.*`, "a.blk.{layer}.attn_q.*"),
  same(`${layer}.self_attn.v_proj.*`, "a.blk.{layer}.attn_v.*"),
  same(`${layer}.self_attn_layer_norm.*`, "a.blk.{layer}.ln1.*"),
];

const encoder: readonly TensorRule[] = [
  ...whisperLayers,
  same("audio_tower.embed_positions.weight", "a.position_embd.weight"),
  same("audio_tower.layer_norm.*", "a.post_ln.*"),
];

/** Whisper's own names for the settings. */
export function whisperNames(settings: JsonObject): JsonObject {
  const { d_model: width, encoder_ffn_dim: wide, encoder_attention_heads: heads } = settings;
  return {
    hidden_size: width ?? null,
    intermediate_size: wide ?? null,
    num_attention_heads: heads ?? null,
    ...settings,
  };
}

const bins: ProjectorParameter = count("clip.audio.num_mel_bins", ({ encoder: config }) =>
  config.need("num_mel_bins"),
);

/** The convolutions' types, in every file. */
export const whisperTypes = [{ name: /^a\.conv1d\.\d\.weight$/, type: "F16" as const }];

export const qwen2Audio: Projector = {
  type: "qwen2a",
  classes: ["Qwen2AudioForConditionalGeneration"],
  encoder: "audio",
  defaults: {
    d_model: 1280,
    encoder_layers: 32,
    encoder_ffn_dim: 5120,
    encoder_attention_heads: 20,
    num_mel_bins: 128,
  },
  settings: whisperNames,
  parameters: [text("clip.projector_type", "qwen2a"), bins, epsilon("audio", 1e-5)],
  tensors: [...encoder, same("multi_modal_projector.linear.*", "mm.a.fc.*")],
  types: whisperTypes,
};

export const voxtral: Projector = {
  type: "voxtral",
  classes: ["VoxtralForConditionalGeneration"],
  encoder: "audio",
  defaults: {
    hidden_size: 1280,
    intermediate_size: 5120,
    num_hidden_layers: 32,
    num_attention_heads: 20,
    num_mel_bins: 128,
  },
  parameters: [
    text("clip.projector_type", "voxtral"),
    bins,
    epsilon("audio", 1e-5),
    // frames that are joined into one embedding
    count("clip.audio.projector.stack_factor", () => 4),
  ],
  tensors: [...encoder, same("multi_modal_projector.linear_{layer}.*", "mm.a.mlp.{layer}.*")],
  types: whisperTypes,
};

export const ultravox: Projector = {
  type: "ultravox",
  classes: ["UltravoxModel"],
  encoder: "audio",
  // its configuration class is not one of transformers: config.json must name the settings
  defaults: {},
  settings: whisperNames,
  parameters: [
    text("clip.projector_type", "ultravox"),
    bins,
    epsilon("audio", 1e-5),
    count("clip.audio.projector.stack_factor", ({ root }) => root.need("stack_factor")),
  ],
  tensors: [
    ...encoder,
    same("multi_modal_projector.linear_{layer}.*", "mm.a.mlp.{layer}.*"),
    same("multi_modal_projector.ln_mid.weight", "mm.a.norm_mid.weight"),
    same("multi_modal_projector.ln_pre.weight", "mm.a.norm_pre.weight"),
  ],
  types: whisperTypes,
};
