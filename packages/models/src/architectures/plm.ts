/** PLM: latent attention whose kv_b_proj stays whole, a feed-forward without gate (llama.cpp, conversion/plm.py). */
import { numberOf, u32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { count, derived, generic, textParameters } from "./parameters.ts";
import { attention, decoderEnds, layerNorms, plainFeedForward, same } from "./tensors.ts";

export const plm: Architecture = {
  name: "plm",
  classes: ["PLMForCausalLM"],
  modelType: "plm",
  // transformers has no class for it
  defaults: {},
  parameters: [
    ...textParameters,
    generic.vocabularySize,
    count("~.attention.kv_lora_rank", ["kv_lora_rank"]),
    derived("~.attention.key_length", (config) =>
      u32(config.need("qk_nope_head_dim") + config.need("qk_rope_head_dim")),
    ),
    count("~.attention.value_length", ["v_head_dim"]),
    count("~.rope.dimension_count", ["qk_rope_head_dim"]),
  ],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    ...attention(false),
    ...plainFeedForward,
    same("model.layers.{layer}.self_attn.kv_a_proj_with_mqa.weight", "blk.{layer}.attn_kv_a_mqa.weight"),
    same("model.layers.{layer}.self_attn.kv_a_layernorm.weight", "blk.{layer}.attn_kv_a_norm.weight"),
    same("model.layers.{layer}.self_attn.kv_b_proj.weight", "blk.{layer}.attn_kv_b.weight"),
  ],
  tokenizer: byteBpe,
  finishConfig({ values, parameter }) {
    const key = numberOf(parameter("~.attention.key_length")) ?? 0;
    values.set("qk_nope_head_dim", key - (numberOf(parameter("~.rope.dimension_count")) ?? 0));
    values.set("q_lora_rank", null);
    values.delete("head_dim");
    values.set("hidden_act", "relu2");
  },
};
