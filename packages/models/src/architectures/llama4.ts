/** Llama 4's text model: routed and shared experts, stored transposed (llama.cpp, conversion/llama.py). */
import { numberOf, u32 } from "../metadata-values.ts";
import type { Architecture } from "./architecture.ts";
import { transposedExperts } from "./fused-experts.ts";
import { llama, llamaParameters } from "./llama.ts";
import { count, derived } from "./parameters.ts";
import { attention, decoderEnds, layerNorms, same, sharedExpert, stackedProjections } from "./tensors.ts";

export const llama4: Architecture = {
  ...llama,
  decoder: undefined,
  name: "llama4",
  memory: { windows: { period: 4, length: 8192, fixed: 8192 } },
  classes: ["Llama4ForCausalLM", "Llama4ForConditionalGeneration"],
  modelType: "llama4_text",
  defaults: {
    attention_bias: false,
    attention_chunk_size: 8192,
    attn_scale: 0.1,
    attn_temperature_tuning: true,
    bos_token_id: 1,
    eos_token_id: 2,
    floor_scale: 8192,
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 5120,
    interleave_moe_layer_step: 1,
    intermediate_size: 8192,
    intermediate_size_mlp: 16384,
    max_position_embeddings: 131072,
    no_rope_layer_interval: 4,
    num_attention_heads: 40,
    num_experts_per_tok: 1,
    num_hidden_layers: 48,
    num_key_value_heads: 8,
    num_local_experts: 16,
    pad_token_id: null,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 500000, rope_type: "default" },
    tie_word_embeddings: false,
    use_qk_norm: true,
    vocab_size: 202048,
  },
  parameters: [
    ...llamaParameters,
    count("~.interleave_moe_layer_step", ["interleave_moe_layer_step"]),
    derived("~.feed_forward_length", (config) => u32(config.need("intermediate_size_mlp"))),
    derived("~.attention.sliding_window", (config) => {
      const types = config.get("layer_types");
      const allFull = Array.isArray(types) && types.every((type) => type === "full_attention");
      return allFull ? u32(0) : undefined;
    }),
    count("~.expert_feed_forward_length", ["intermediate_size"]),
  ],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    ...attention(false),
    ...transposedExperts("model.layers.{layer}.feed_forward.experts"),
    same("model.layers.{layer}.feed_forward.router.weight", "blk.{layer}.ffn_gate_inp.weight"),
    ...sharedExpert("model.layers.{layer}.feed_forward.shared_expert"),
    same("model.layers.{layer}.feed_forward.gate_proj.weight", "blk.{layer}.ffn_gate.weight"),
    same("model.layers.{layer}.feed_forward.up_proj.weight", "blk.{layer}.ffn_up.weight"),
    same("model.layers.{layer}.feed_forward.down_proj.weight", "blk.{layer}.ffn_down.weight"),
  ],
  mlxTensors: stackedProjections("model.layers.{layer}.feed_forward.experts", ".weight"),
  finishConfig(draft) {
    llama.finishConfig?.(draft);
    draft.values.delete("mlp_bias");
    const feedForward = numberOf(draft.parameter("~.feed_forward_length"));
    if (feedForward !== undefined) draft.values.set("intermediate_size_mlp", feedForward);
  },
};
