/** Cohere 2, Command R7B and relatives, and Command R (llama.cpp, conversion/command_r.py). */
import { numberOf, string, u32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import {
  derived,
  deriveKeyValueHeads,
  deriveLayerTypes,
  fixed,
  generic,
  real,
  setAttentionBias,
  textParameters,
} from "./parameters.ts";
import { attention, decoderEnds, gatedFeedForward, headNorms, same } from "./tensors.ts";

export const cohere2: Architecture = {
  name: "cohere2",
  memory: { windows: { period: 4 }, rotates: (_, { isWindowed }) => isWindowed },
  classes: ["Cohere2ForCausalLM"],
  modelType: "cohere2",
  defaults: {
    attention_bias: false,
    bos_token_id: 5,
    eos_token_id: 255001,
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 8192,
    intermediate_size: 22528,
    layer_norm_eps: 1e-5,
    logit_scale: 0.0625,
    max_position_embeddings: 8192,
    num_attention_heads: 64,
    num_hidden_layers: 40,
    num_key_value_heads: null,
    pad_token_id: 0,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    rotary_pct: 1,
    sliding_window: 4096,
    tie_word_embeddings: true,
    vocab_size: 256000,
  },
  derive: [
    deriveKeyValueHeads,
    deriveLayerTypes((layer, values) => {
      const pattern = values.get("sliding_window_pattern");
      return (layer + 1) % (typeof pattern === "number" ? pattern : 4) !== 0
        ? "sliding_attention"
        : "full_attention";
    }),
  ],
  parameters: [
    ...textParameters,
    real("~.logit_scale", ["logit_scale"]),
    generic.slidingWindow,
    generic.vocabularySize,
    derived(
      "~.rope.dimension_count",
      (config) => {
        const head = Math.floor(config.need("hidden_size") / config.need("num_attention_heads"));
        return u32(Math.trunc((config.number("rotary_pct") ?? 1) * head));
      },
      (value, draft) => {
        const hidden = numberOf(draft.parameter("~.embedding_length")) ?? 0;
        const heads = numberOf(draft.parameter("~.attention.head_count")) ?? 1;
        const dimensions = numberOf(value);
        if (dimensions !== undefined && hidden > 0) {
          draft.values.set("rotary_pct", dimensions / Math.floor(hidden / heads));
        }
      },
    ),
    fixed("~.rope.scaling.type", string("none")),
  ],
  tensors: [
    ...decoderEnds,
    same("model.layers.{layer}.input_layernorm.weight", "blk.{layer}.attn_norm.weight"),
    ...attention(false),
    ...gatedFeedForward,
  ],
  leftOut: [{ pattern: /\.bias$/, reason: "biases of this family are zero and are not written" }],
  tokenizer: byteBpe,
};

/** Command R and Aya: attention and feed-forward side by side, and no windows. */
export const commandR: Architecture = {
  ...cohere2,
  name: "command-r",
  // every layer keeps the whole context and rotates
  memory: {},
  classes: ["CohereForCausalLM"],
  modelType: "cohere",
  defaults: {
    attention_bias: false,
    bos_token_id: 5,
    eos_token_id: 255001,
    hidden_act: "silu",
    hidden_size: 8192,
    intermediate_size: 22528,
    layer_norm_eps: 1e-5,
    logit_scale: 0.0625,
    max_position_embeddings: 8192,
    num_attention_heads: 64,
    num_hidden_layers: 40,
    num_key_value_heads: null,
    pad_token_id: 0,
    rope_parameters: { rope_theta: 500000, rope_type: "default" },
    tie_word_embeddings: true,
    use_qk_norm: false,
    vocab_size: 256000,
  },
  derive: [
    deriveKeyValueHeads,
    (values) => {
      // the length of the training texts, which published configs give beside a shorter one
      const length = values.get("model_max_length");
      if (typeof length === "number") values.set("max_position_embeddings", length);
    },
  ],
  parameters: [
    ...textParameters,
    real("~.logit_scale", ["logit_scale"]),
    fixed("~.rope.scaling.type", string("none")),
  ],
  tensors: [
    ...decoderEnds,
    same("model.layers.{layer}.input_layernorm.weight", "blk.{layer}.attn_norm.weight"),
    ...attention(false),
    ...headNorms,
    ...gatedFeedForward,
  ],
  leftOut: [],
  finishConfig(draft) {
    draft.values.set("use_qk_norm", draft.ggufNames.has("blk.0.attn_q_norm.weight"));
    setAttentionBias(draft);
  },
};
