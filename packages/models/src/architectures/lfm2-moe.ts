/** LFM 2 with experts after the leading dense layers (llama.cpp, conversion/lfm2.py). */
import { u32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { leadingDenseCount } from "./expert-parameters.ts";
import { numberedExperts } from "./expert-tensors.ts";
import { attentionLayers, layerTypes, lfm2Tensors } from "./lfm2.ts";
import { count, fixed, gatingFunctions, generic, textParameters } from "./parameters.ts";
import { same } from "./tensors.ts";

export const lfm2moe: Architecture = {
  name: "lfm2moe",
  memory: { states: "without key heads", residualFirst: "both" },
  classes: ["Lfm2MoeForCausalLM"],
  modelType: "lfm2_moe",
  defaults: {
    bos_token_id: 1,
    conv_L_cache: 3,
    conv_bias: false,
    eos_token_id: 2,
    hidden_size: 2048,
    intermediate_size: 7168,
    max_position_embeddings: 128000,
    moe_intermediate_size: 1792,
    norm_eps: 1e-5,
    norm_topk_prob: true,
    num_attention_heads: 32,
    num_dense_layers: 2,
    num_experts: 32,
    num_experts_per_tok: 4,
    num_hidden_layers: 32,
    num_key_value_heads: 8,
    pad_token_id: 0,
    rope_parameters: { rope_theta: 1000000, rope_type: "default" },
    routed_scaling_factor: 1,
    tie_word_embeddings: true,
    use_expert_bias: true,
    vocab_size: 65536,
  },
  derive: [layerTypes],
  parameters: [
    ...textParameters.filter((rule) => rule !== generic.gatingFunction),
    attentionLayers,
    generic.expertFeedForwardLength,
    leadingDenseCount("num_dense_layers"),
    fixed("~.expert_gating_func", u32(gatingFunctions.sigmoid)),
    generic.vocabularySize,
    count("~.shortconv.l_cache", ["conv_L_cache"]),
  ],
  tensors: [
    ...lfm2Tensors,
    numberedExperts("model.layers.{layer}.feed_forward.experts"),
    same("model.layers.{layer}.feed_forward.gate.weight", "blk.{layer}.ffn_gate_inp.weight"),
    same("model.layers.{layer}.feed_forward.expert_bias", "blk.{layer}.exp_probs_b.bias"),
  ],
  tokenizer: byteBpe,
  finishConfig({ values, ggufNames }) {
    values.set(
      "use_expert_bias",
      [...ggufNames].some((name) => name.endsWith(".exp_probs_b.bias")),
    );
  },
};
