/** AFMoE (Trinity): gated attention, four norms, experts with shared ones, sliding windows (llama.cpp, conversion/afmoe.py). */
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import {
  expertWeightsNorm,
  expertWeightsScale,
  leadingDenseCount,
  sharedExpertCount,
} from "./expert-parameters.ts";
import { gateFirstExperts } from "./expert-tensors.ts";
import { llamaParameters } from "./llama.ts";
import { deriveKeyValueHeads, deriveLayerTypes, gatingFunction, generic } from "./parameters.ts";
import { attention, decoderEnds, gatedFeedForward, headNorms, same, sharedExpert } from "./tensors.ts";

const layer = "model.layers.{layer}";

export const afmoe: Architecture = {
  name: "afmoe",
  memory: { windows: { period: 4 } },
  classes: ["AfmoeForCausalLM"],
  modelType: "afmoe",
  defaults: {
    attention_bias: false,
    bos_token_id: null,
    eos_token_id: null,
    global_attn_every_n_layers: 4,
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 2048,
    intermediate_size: 6144,
    max_position_embeddings: 16384,
    moe_intermediate_size: 1408,
    mup_enabled: false,
    num_attention_heads: 16,
    num_dense_layers: 1,
    num_experts: 64,
    num_experts_per_tok: 6,
    num_hidden_layers: 32,
    num_key_value_heads: 16,
    num_shared_experts: 2,
    pad_token_id: null,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    route_scale: 1,
    sliding_window: 1024,
    tie_word_embeddings: false,
    vocab_size: 200192,
  },
  derive: [
    deriveKeyValueHeads,
    deriveLayerTypes((layer, values) => {
      const period = values.get("global_attn_every_n_layers");
      const isFull = typeof period === "number" && (layer + 1) % period === 0;
      return isFull ? "full_attention" : "sliding_attention";
    }),
  ],
  parameters: [
    ...llamaParameters.map((rule) => (rule === generic.gatingFunction ? gatingFunction("score_func") : rule)),
    sharedExpertCount("num_shared_experts"),
    generic.expertFeedForwardLength,
    leadingDenseCount("num_dense_layers"),
    expertWeightsNorm("route_norm"),
    expertWeightsScale("route_scale"),
    generic.slidingWindow,
  ],
  tensors: [
    ...decoderEnds,
    same(`${layer}.input_layernorm.weight`, "blk.{layer}.attn_norm.weight"),
    same(`${layer}.post_attention_layernorm.weight`, "blk.{layer}.post_attention_norm.weight"),
    same(`${layer}.pre_mlp_layernorm.weight`, "blk.{layer}.ffn_norm.weight"),
    same(`${layer}.post_mlp_layernorm.weight`, "blk.{layer}.post_ffw_norm.weight"),
    ...attention(false),
    ...headNorms,
    same(`${layer}.self_attn.gate_proj.weight`, "blk.{layer}.attn_gate.weight"),
    ...gatedFeedForward,
    gateFirstExperts(`${layer}.mlp.experts`),
    same(`${layer}.mlp.router.gate.weight`, "blk.{layer}.ffn_gate_inp.weight"),
    same(`${layer}.mlp.expert_bias`, "blk.{layer}.exp_probs_b.bias"),
    ...sharedExpert(`${layer}.mlp.shared_experts`),
  ],
  tokenizer: byteBpe,
  finishConfig(draft) {
    // llama.cpp, src/models/afmoe.cpp
    draft.values.set("mup_enabled", true);
    draft.assume("mup_enabled", true, "llama.cpp scales the embedding of every model of this family");
    draft.assume("global_attn_every_n_layers", 4, "llama.cpp takes every fourth layer for a full one");
  },
};
