/** K-EXAONE: EXAONE 4's windows, experts with shared ones, multi-token prediction (llama.cpp, conversion/exaone.py). */
import { numberOf, string, u32 } from "../metadata-values.ts";
import type { Architecture } from "./architecture.ts";
import { exaone4 } from "./exaone.ts";
import {
  expertWeightsNorm,
  expertWeightsScale,
  leadingDenseCount,
  sharedExpertCount,
} from "./expert-parameters.ts";
import { sharedExpertFeedForward } from "./expert-tensors.ts";
import { derived, fixed, generic } from "./parameters.ts";
import { predictionCount, predictionNames, statedBlocks, statedPredictions } from "./prediction.ts";
import { attention, decoderEnds, headNorms, layerNorms, same } from "./tensors.ts";

export const exaoneMoe: Architecture = {
  ...exaone4,
  name: "exaone-moe",
  memory: { windows: { period: 4, length: 128 } },
  // transformers 5.1 renamed the class
  classes: ["ExaoneMoEForCausalLM", "ExaoneMoeForCausalLM"],
  modelType: "exaone_moe",
  defaults: {
    bos_token_id: 1,
    eos_token_id: 53,
    first_k_dense_replace: 1,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 16384,
    max_position_embeddings: 2048,
    moe_intermediate_size: 1024,
    n_group: 1,
    norm_topk_prob: true,
    num_attention_heads: 32,
    num_experts: 64,
    num_experts_per_tok: 8,
    num_hidden_layers: 32,
    num_key_value_heads: 32,
    num_shared_experts: 1,
    pad_token_id: 0,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    routed_scaling_factor: 2.5,
    sliding_window: 4096,
    sliding_window_pattern: 4,
    tie_word_embeddings: false,
    topk_group: 1,
    vocab_size: 102400,
  },
  names: predictionNames,
  parameters: [
    statedBlocks,
    ...exaone4.parameters.slice(1),
    generic.expertFeedForwardLength,
    sharedExpertCount("num_shared_experts"),
    derived("~.expert_shared_feed_forward_length", (config) =>
      u32(config.need("moe_intermediate_size") * config.need("num_shared_experts")),
    ),
    expertWeightsScale("routed_scaling_factor"),
    expertWeightsNorm("norm_topk_prob"),
    leadingDenseCount("first_k_dense_replace"),
    { ...predictionCount, toGguf: (config) => u32(statedPredictions(config)) },
    fixed("~.rope.scaling.type", string("none")),
  ],
  extraTensors: [],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    ...attention(false),
    ...headNorms,
    ...sharedExpertFeedForward,
    same("model.layers.{layer}.mlp.e_score_correction_bias", "blk.{layer}.exp_probs_b.bias"),
    same("model.layers.{layer}.mtp.fc.weight", "blk.{layer}.nextn.eh_proj.weight"),
    same("model.layers.{layer}.mtp.norm.weight", "blk.{layer}.nextn.shared_head_norm.weight"),
    same("model.layers.{layer}.mtp.pre_fc_norm_embedding.weight", "blk.{layer}.nextn.enorm.weight"),
    same("model.layers.{layer}.mtp.pre_fc_norm_hidden.weight", "blk.{layer}.nextn.hnorm.weight"),
  ],
  finishConfig(draft) {
    exaone4.finishConfig?.(draft);
    const layers = Number(draft.values.get("num_hidden_layers") ?? 0);
    const types = draft.values.get("layer_types");
    if (Array.isArray(types)) draft.values.set("layer_types", types.slice(0, layers));
    const dense = numberOf(draft.parameter("~.leading_dense_block_count")) ?? 0;
    const isMixture = Array.from({ length: layers }, (_, layer) => layer >= dense);
    draft.values.set("is_moe_layer", isMixture);
    draft.values.set(
      "mlp_layer_types",
      isMixture.map((mixture) => (mixture ? "sparse" : "dense")),
    );
  },
};
