/** Tensors of a checkpoint that its GGUF does not hold, whatever the family. */
import type { LeftOutRule } from "./architectures/architecture.ts";
import type { Config } from "./config.ts";

const multimodal =
  /^(?:mlp1|vit|vpm|siglip2|merger|resampler)\.|(?:^|\.)(?:vision_tower|vision_model|vision_encoder|visual|vision_language_adapter|vision_embed_tokens|img_processor|image_newline|patch_merger|pre_mm_projector_norm|multi_modal_projector|mm_projector|multimodal_projector|embed_vision|aligner|connector)(?:\.|$)/;
const audio =
  /^(?:conformer|sound_encoder|sound_projection|speech_embeddings|talker|token2wav|code2wav)\.|(?:^|\.)(?:audio_tower|audio_model|audio_encoder|audio_adapter|audio_projector|embed_audio|audio|speech)(?:\.|$)/;

/** Whether a tensor belongs to a vision or audio encoder, or leads from it into the text model. */
export function isEncoderTensor(name: string): boolean {
  return multimodal.test(name) || audio.test(name);
}

/** Whether a tensor belongs to an audio encoder, or leads from it into the text model. */
export function isAudioTensor(name: string): boolean {
  return audio.test(name);
}

/** Rules for every text model. */
export const encodersLeftOut: readonly LeftOutRule[] = [
  { pattern: multimodal, reason: "part of the vision encoder: a text model's GGUF does not hold it" },
  { pattern: audio, reason: "part of the audio encoder: a text model's GGUF does not hold it" },
];

/** Rules for every model. */
export const alwaysLeftOut: readonly LeftOutRule[] = [
  { pattern: /\.rotary_emb\.inv_freq$/, reason: "rotary frequencies are computed from the metadata" },
  {
    // compressed-tensors, ModelOpt and vLLM's own names
    pattern: /attn\.(?:[kv]_proj\.)?(?:[kqv]|kv|prob)_(?:scale|zero_point)$|\.[kv]_proj\.output_scale$/,
    reason: "a scale of a quantized key-value cache: llama.cpp chooses the cache's type when it runs",
  },
  {
    // compressed-tensors' names for the matrices of its transforms
    pattern: /_(?:q_attn|k_cache)\.(?:weight|perm)$/,
    reason: "a rotation of queries and keys alike, which cancels out",
  },
  { pattern: /\.attention\.(?:bias|masked_bias)$/, reason: "a causal mask: computed, not a weight" },
];

/** Why a tensor is left out; undefined for one that is not. */
export function leftOutReason(
  name: string,
  rules: readonly LeftOutRule[],
  config: Config,
  names: ReadonlySet<string>,
): string | undefined {
  for (const rule of rules) {
    const match = rule.pattern.exec(name);
    if (match !== null && (rule.when === undefined || rule.when(config, match, names))) return rule.reason;
  }
  return undefined;
}
