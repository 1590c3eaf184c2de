/** Nemotron 3 and 4, Minitron: norms stored as the difference to one, squared ReLU (llama.cpp, conversion/nemotron.py and models/nemotron.cpp). */
import { numberField } from "../json.ts";
import { f32, numberOf, string, u32 } from "../metadata-values.ts";
import { setRope } from "../rope.ts";
import type { Architecture } from "./architecture.ts";
import {
  derived,
  deriveHeadLength,
  deriveKeyValueHeads,
  generic,
  setAttentionBias,
  textParameters,
} from "./parameters.ts";
import { attention, decoderEnds, plainFeedForward, same, shiftedNorm } from "./tensors.ts";

const layer = "model.layers.{layer}";

export const nemotron: Architecture = {
  name: "nemotron",
  classes: ["NemotronForCausalLM"],
  modelType: "nemotron",
  defaults: {
    attention_bias: false,
    bos_token_id: 2,
    eos_token_id: 3,
    head_dim: null,
    hidden_act: "relu2",
    hidden_size: 6144,
    intermediate_size: 24576,
    max_position_embeddings: 4096,
    mlp_bias: false,
    norm_eps: 1e-5,
    num_attention_heads: 48,
    num_hidden_layers: 32,
    num_key_value_heads: null,
    rope_parameters: { rope_theta: 10000, partial_rotary_factor: 0.5, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 256000,
  },
  derive: [deriveHeadLength, deriveKeyValueHeads],
  parameters: [
    ...textParameters,
    generic.vocabularySize,
    derived("~.attention.layer_norm_epsilon", (config) =>
      f32(config.number("layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps") ?? 1e-5),
    ),
    derived(
      "~.rope.dimension_count",
      (config) => {
        const part = numberField(config.rope(), "partial_rotary_factor") ?? 0.5;
        const rotary = Math.trunc(part * config.need("hidden_size"));
        return u32(Math.floor(rotary / config.need("num_attention_heads")));
      },
      (value, draft) => {
        const hidden = numberOf(draft.parameter("~.embedding_length")) ?? 0;
        const heads = numberOf(draft.parameter("~.attention.head_count")) ?? 1;
        setRope(draft, "partial_rotary_factor", (numberOf(value) ?? 0) / (hidden / heads));
      },
    ),
    derived("~.rope.scaling.type", (config) =>
      string(numberField(config.rope(), "factor") === undefined ? "none" : "linear"),
    ),
    derived("~.rope.scaling.factor", (config) => {
      const factor = numberField(config.rope(), "factor");
      return factor === undefined ? undefined : f32(factor);
    }),
  ],
  tensors: [
    same("model.embed_tokens.weight", "token_embd.weight"),
    ...decoderEnds.filter(({ hf: [name] }) => name === "lm_head.*"),
    shiftedNorm("model.norm.weight", "output_norm.weight"),
    same("model.norm.bias", "output_norm.bias"),
    shiftedNorm(`${layer}.input_layernorm.weight`, "blk.{layer}.attn_norm.weight"),
    same(`${layer}.input_layernorm.bias`, "blk.{layer}.attn_norm.bias"),
    shiftedNorm(`${layer}.post_attention_layernorm.weight`, "blk.{layer}.ffn_norm.weight"),
    same(`${layer}.post_attention_layernorm.bias`, "blk.{layer}.ffn_norm.bias"),
    ...attention(false),
    ...plainFeedForward,
  ],
  tokenizer: {
    kinds: ["sentencepiece"],
    json: "llama",
    // the class writes these ids for every vocabulary
    after: [
      () => [
        ["tokenizer.ggml.padding_token_id", u32(0)],
        ["tokenizer.ggml.unknown_token_id", u32(1)],
      ],
    ],
    ownKeys: ["tokenizer.ggml.padding_token_id", "tokenizer.ggml.unknown_token_id"],
  },
  finishConfig(draft) {
    setAttentionBias(draft);
    draft.values.set("mlp_bias", draft.ggufNames.has("blk.0.ffn_up.bias"));
    draft.values.set("norm_eps", draft.values.get("rms_norm_eps") ?? draft.values.get("norm_eps") ?? 1e-5);
    for (const name of ["rms_norm_eps", "layer_norm_eps"]) draft.values.delete(name);
  },
};
