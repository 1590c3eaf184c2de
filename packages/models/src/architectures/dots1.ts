/** dots.llm1: norms over the heads of queries and keys, dense first layers, shared experts (llama.cpp, conversion/dots1.py). */
import { sentencePieceOrBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import {
  expertWeightsNorm,
  expertWeightsScale,
  leadingDenseCount,
  sharedExpertCount,
} from "./expert-parameters.ts";
import { routerBias, sharedExpertFeedForward } from "./expert-tensors.ts";
import { deriveKeyValueHeads, generic, setAttentionBias, textParameters } from "./parameters.ts";
import { attention, decoderEnds, headNorms, layerNorms } from "./tensors.ts";

export const dots1: Architecture = {
  name: "dots1",
  classes: ["Dots1ForCausalLM"],
  modelType: "dots1",
  defaults: {
    attention_bias: false,
    bos_token_id: null,
    eos_token_id: null,
    first_k_dense_replace: 0,
    hidden_act: "silu",
    hidden_size: 4608,
    intermediate_size: 10944,
    max_position_embeddings: 2048,
    max_window_layers: 62,
    moe_intermediate_size: 1408,
    n_group: 1,
    n_routed_experts: null,
    n_shared_experts: null,
    norm_topk_prob: false,
    num_attention_heads: 32,
    num_experts_per_tok: null,
    num_hidden_layers: 62,
    num_key_value_heads: 32,
    pad_token_id: null,
    rms_norm_eps: 1e-6,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    routed_scaling_factor: 1,
    sliding_window: null,
    tie_word_embeddings: false,
    topk_group: 1,
    vocab_size: 152064,
  },
  derive: [deriveKeyValueHeads],
  parameters: [
    ...textParameters,
    generic.expertFeedForwardLength,
    leadingDenseCount("first_k_dense_replace"),
    sharedExpertCount("n_shared_experts"),
    expertWeightsScale("routed_scaling_factor"),
    expertWeightsNorm("norm_topk_prob"),
  ],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    ...attention(false),
    ...headNorms,
    ...sharedExpertFeedForward,
    routerBias,
  ],
  tokenizer: sentencePieceOrBpe,
  finishConfig: setAttentionBias,
  notInGguf: {
    max_window_layers: "a GGUF of this family holds no sliding window",
  },
};
