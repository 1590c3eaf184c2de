/** MiniMax-M2: norms over whole rows of queries and keys, a part of each head rotated (llama.cpp, conversion/minimax.py). */
import { u32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { numberedExperts } from "./expert-tensors.ts";
import { count, derived, textParameters } from "./parameters.ts";
import { attention, decoderEnds, headNorms, layerNorms, same } from "./tensors.ts";

export const minimaxM2: Architecture = {
  name: "minimax-m2",
  classes: ["MiniMaxM2ForCausalLM"],
  modelType: "minimax_m2",
  defaults: {
    bos_token_id: 200034,
    eos_token_id: 200020,
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 3072,
    intermediate_size: 1536,
    max_position_embeddings: 196608,
    num_attention_heads: 48,
    num_experts_per_tok: 8,
    num_hidden_layers: 62,
    num_key_value_heads: 8,
    num_local_experts: 256,
    pad_token_id: null,
    rms_norm_eps: 1e-6,
    rope_parameters: { rope_theta: 5000000, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 200064,
  },
  parameters: [
    ...textParameters,
    derived("~.expert_feed_forward_length", (config) => u32(config.need("intermediate_size"))),
    count("~.rope.dimension_count", ["rotary_dim"]),
  ],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    ...attention(false),
    ...headNorms,
    numberedExperts("model.layers.{layer}.block_sparse_moe.experts"),
    same("model.layers.{layer}.block_sparse_moe.gate.weight", "blk.{layer}.ffn_gate_inp.weight"),
    same("model.layers.{layer}.block_sparse_moe.e_score_correction_bias", "blk.{layer}.exp_probs_b.bias"),
  ],
  tokenizer: byteBpe,
  finishConfig({ values, ggufNames }) {
    values.set("use_qk_norm", ggufNames.has("blk.0.attn_q_norm.weight"));
    values.set("qk_norm_type", "per_layer");
    values.set("use_routing_bias", ggufNames.has("blk.0.exp_probs_b.bias"));
  },
};
