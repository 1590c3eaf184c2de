/** ERNIE 4.5 with experts (llama.cpp, conversion/ernie.py). */
import { numberOf, u32 } from "../metadata-values.ts";
import type { Architecture } from "./architecture.ts";
import { ernie45 } from "./ernie.ts";
import { leadingDenseCount, sharedExpertCount } from "./expert-parameters.ts";
import { gateFirstExperts } from "./expert-tensors.ts";
import { count, derived, deriveKeyValueHeads, generic, textParameters } from "./parameters.ts";
import { router, same, sharedExpert } from "./tensors.ts";

export const ernie45moe: Architecture = {
  ...ernie45,
  name: "ernie4_5-moe",
  classes: ["Ernie4_5_MoeForCausalLM"],
  modelType: "ernie4_5_moe",
  defaults: {
    bos_token_id: 1,
    eos_token_id: 2,
    hidden_act: "silu",
    hidden_size: 2560,
    intermediate_size: 12288,
    max_position_embeddings: 131072,
    moe_intermediate_size: 1536,
    moe_k: 6,
    moe_layer_end_index: 27,
    moe_layer_interval: 1,
    moe_layer_start_index: 1,
    moe_num_experts: 64,
    moe_num_shared_experts: 2,
    num_attention_heads: 20,
    num_hidden_layers: 28,
    num_key_value_heads: 4,
    pad_token_id: 0,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 500000, rope_type: "default" },
    tie_word_embeddings: true,
    use_bias: false,
    vocab_size: 103424,
  },
  derive: [deriveKeyValueHeads],
  parameters: [
    ...textParameters.filter((rule) => rule !== generic.expertCount && rule !== generic.expertUsedCount),
    count("~.expert_count", ["moe_num_experts"]),
    count("~.expert_used_count", ["moe_k"]),
    count("~.interleave_moe_layer_step", ["moe_layer_interval"]),
    leadingDenseCount("moe_layer_start_index"),
    generic.expertFeedForwardLength,
    sharedExpertCount("moe_num_shared_experts"),
    derived("~.expert_shared_feed_forward_length", (config) => {
      const heads = config.need("num_key_value_heads");
      const hasShared = (config.count("moe_num_shared_experts") ?? 0) > 0;
      // this quotient, whatever the width of the shared experts
      return hasShared && heads > 0 ? u32(Math.floor(config.need("intermediate_size") / heads)) : undefined;
    }),
  ],
  tensors: [
    ...ernie45.tensors,
    gateFirstExperts("model.layers.{layer}.mlp.experts", (config) => config.need("moe_num_experts")),
    router,
    same("model.layers.{layer}.mlp.moe_statics.e_score_correction_bias", "blk.{layer}.exp_probs_b.bias"),
    ...sharedExpert("model.layers.{layer}.mlp.shared_experts"),
  ],
  leftOut: [
    {
      pattern: /^(?:model|ernie)\.mtp_(?:block|emb_norm|hidden_norm|linear_proj)\.\d/,
      reason: "multi-token prediction: this family's GGUF does not hold it",
    },
  ],
  decoder: undefined,
  finishConfig(draft) {
    ernie45.finishConfig?.(draft);
    const last = (numberOf(draft.parameter("~.block_count")) ?? 1) - 1;
    draft.values.set("moe_layer_end_index", last);
    draft.assume("moe_layer_end_index", last, "a GGUF does not hold it; the last layer is taken");
  },
};
