/** Seed-OSS: Llama with biases of queries, keys and values (llama.cpp, conversion/olmo.py). */
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { deriveHeadLength, deriveKeyValueHeads, textParameters } from "./parameters.ts";
import { attention, decoderEnds, gatedFeedForward, same } from "./tensors.ts";

export const seedOss: Architecture = {
  name: "seed_oss",
  classes: ["SeedOssForCausalLM"],
  modelType: "seed_oss",
  defaults: {
    attention_bias: true,
    attention_out_bias: false,
    bos_token_id: 0,
    eos_token_id: 2,
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 27648,
    max_position_embeddings: 524288,
    mlp_bias: false,
    num_attention_heads: 80,
    num_hidden_layers: 64,
    num_key_value_heads: 8,
    pad_token_id: 1,
    rms_norm_eps: 1e-6,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 155136,
  },
  derive: [deriveHeadLength, deriveKeyValueHeads],
  parameters: textParameters,
  tensors: [
    ...decoderEnds,
    same("model.layers.{layer}.input_layernorm.weight", "blk.{layer}.attn_norm.weight"),
    // the norm before the feed-forward, in spite of its name in a GGUF
    same("model.layers.{layer}.post_attention_layernorm.weight", "blk.{layer}.post_attention_norm.weight"),
    ...attention(false),
    ...gatedFeedForward,
  ],
  tokenizer: byteBpe,
  finishConfig({ values, ggufNames }) {
    values.set("attention_bias", ggufNames.has("blk.0.attn_q.bias"));
    values.set("attention_out_bias", ggufNames.has("blk.0.attn_output.bias"));
    values.set("mlp_bias", ggufNames.has("blk.0.ffn_gate.bias"));
  },
};
