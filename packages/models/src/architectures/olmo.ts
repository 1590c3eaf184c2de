/** OLMo 2 and 3, with norms after attention and feed-forward, and OLMo 1 (llama.cpp, conversion/olmo.py). */
import type { Metadata } from "@requant/core";
import { f32 } from "../metadata-values.ts";
import { byteBpe, sentencePieceOrBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { llamaDecoder } from "./decoder.ts";
import {
  deriveKeyValueHeads,
  deriveLayerTypes,
  fixed,
  generic,
  real,
  setAttentionBias,
  slidingPattern,
  textParameters,
} from "./parameters.ts";
import { attention, decoderEnds, gatedFeedForward, headNorms, same } from "./tensors.ts";

export const olmo2: Architecture = {
  name: "olmo2",
  memory: { windows: { period: 4 } },
  classes: ["Olmo2ForCausalLM"],
  modelType: "olmo2",
  defaults: {
    attention_bias: false,
    bos_token_id: null,
    eos_token_id: 50279,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 11008,
    max_position_embeddings: 2048,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: null,
    pad_token_id: 1,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 50304,
  },
  derive: [deriveKeyValueHeads],
  parameters: textParameters,
  tensors: [
    ...decoderEnds,
    same("model.layers.{layer}.post_attention_layernorm.weight", "blk.{layer}.post_attention_norm.weight"),
    same("model.layers.{layer}.post_feedforward_layernorm.weight", "blk.{layer}.post_ffw_norm.weight"),
    ...attention(false),
    ...headNorms,
    ...gatedFeedForward,
  ],
  tokenizer: sentencePieceOrBpe,
  // llama.cpp, src/models/olmo2.cpp; only OLMo 3 has windows
  decoder: {
    ...llamaDecoder,
    parts: ["attn_q_norm", "attn_k_norm", "post_attention_norm", "post_ffw_norm"],
    positions: "halves",
    windows: { period: 4 },
  },
  finishConfig: setAttentionBias,
};

/** Every fourth layer has full attention. */
const slides = (layer: number): boolean => (layer + 1) % 4 !== 0;

export const olmo3: Architecture = {
  ...olmo2,
  classes: ["Olmo3ForCausalLM"],
  modelType: "olmo3",
  defaults: { ...olmo2.defaults, sliding_window: 4096 },
  derive: [
    deriveKeyValueHeads,
    deriveLayerTypes((layer) => (slides(layer) ? "sliding_attention" : "full_attention")),
  ],
  parameters: [...textParameters, generic.slidingWindow, slidingPattern(slides)],
  recognises: (metadata: Metadata) => metadata.has("olmo2.attention.sliding_window"),
};

/** OLMo 1: norms without weights, queries and keys that may be clamped. */
export const olmo1: Architecture = {
  name: "olmo",
  classes: ["OlmoForCausalLM", "OLMoForCausalLM"],
  modelType: "olmo",
  defaults: {
    attention_bias: false,
    bos_token_id: null,
    clip_qkv: null,
    eos_token_id: 50279,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 11008,
    max_position_embeddings: 2048,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: null,
    pad_token_id: 1,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 50304,
  },
  derive: [deriveKeyValueHeads],
  parameters: [
    ...textParameters,
    // the class has no setting for it
    fixed("~.attention.layer_norm_epsilon", f32(1e-5)),
    real("~.attention.clamp_kqv", ["clip_qkv"]),
  ],
  tensors: [...decoderEnds, ...attention(true), ...gatedFeedForward],
  tokenizer: byteBpe,
  finishConfig(draft) {
    draft.values.delete("layer_norm_eps");
  },
};
