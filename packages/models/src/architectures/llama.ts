/** Llama 1, 2, 3, 3.1, and Mistral and Mixtral, which share its class (llama.cpp, conversion/llama.py). */
import { classNames } from "../hf-files.ts";
import { llama3RopeFactors } from "../rope-factors.ts";
import { llamaTokenizer } from "../tokenizer/extras.ts";
import type { Architecture, ConfigDraft, ParameterRule, TensorRule } from "./architecture.ts";
import { llamaDecoder } from "./decoder.ts";
import { numberedExperts } from "./expert-tensors.ts";
import {
  deriveHeadLength,
  deriveKeyValueHeads,
  generic,
  setAttentionBias,
  textParameters,
  wholeHeadRope,
} from "./parameters.ts";
import { attention, decoderEnds, gatedFeedForward, layerNorms, same } from "./tensors.ts";

export const llamaParameters: readonly ParameterRule[] = [
  ...textParameters,
  generic.vocabularySize,
  wholeHeadRope,
];

const llamaTensors: readonly TensorRule[] = [
  ...decoderEnds,
  ...layerNorms,
  ...attention(true),
  ...gatedFeedForward,
];

function finishLlama(draft: ConfigDraft): void {
  setAttentionBias(draft);
  draft.values.set("mlp_bias", draft.ggufNames.has("blk.0.ffn_gate.bias"));
}

export const llama: Architecture = {
  name: "llama",
  classes: [
    "LlamaForCausalLM",
    "LlamaModel",
    "LLaMAForCausalLM",
    "VLlama3ForCausalLM",
    "LlavaForConditionalGeneration",
    "VoxtralForConditionalGeneration",
    "IQuestCoderForCausalLM",
  ],
  modelType: "llama",
  defaults: {
    attention_bias: false,
    bos_token_id: 1,
    eos_token_id: 2,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 11008,
    max_position_embeddings: 2048,
    mlp_bias: false,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: null,
    pad_token_id: null,
    rms_norm_eps: 1e-6,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 32000,
  },
  derive: [deriveHeadLength, deriveKeyValueHeads],
  parameters: llamaParameters,
  extraTensors: [llama3RopeFactors],
  tensors: llamaTensors,
  tokenizer: llamaTokenizer,
  decoder: { ...llamaDecoder, experts: { normalized: true } },
  finishConfig: finishLlama,
};

export const mistral: Architecture = {
  ...llama,
  classes: ["MistralForCausalLM"],
  modelType: "mistral",
  // llama.cpp has a name of its own for the language model of Mistral Small 3.1
  claims: (config) => !classNames(config).includes("Mistral3ForConditionalGeneration"),
  defaults: {
    bos_token_id: 1,
    eos_token_id: 2,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 14336,
    max_position_embeddings: 131072,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 8,
    pad_token_id: null,
    rms_norm_eps: 1e-6,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    sliding_window: 4096,
    tie_word_embeddings: false,
    vocab_size: 32000,
  },
  writesBack: false,
};

export const mixtral: Architecture = {
  ...llama,
  classes: ["MixtralForCausalLM"],
  modelType: "mixtral",
  defaults: {
    bos_token_id: 1,
    eos_token_id: 2,
    head_dim: null,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 14336,
    max_position_embeddings: 131072,
    num_attention_heads: 32,
    num_experts_per_tok: 2,
    num_hidden_layers: 32,
    num_key_value_heads: 8,
    num_local_experts: 8,
    pad_token_id: null,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 1000000, rope_type: "default" },
    sliding_window: null,
    tie_word_embeddings: false,
    vocab_size: 32000,
  },
  derive: [deriveKeyValueHeads],
  finishConfig: () => {},
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    ...attention(true),
    numberedExperts("model.layers.{layer}.block_sparse_moe.experts"),
    same("model.layers.{layer}.block_sparse_moe.gate.weight", "blk.{layer}.ffn_gate_inp.weight"),
  ],
  recognises: (metadata) => metadata.has("llama.expert_count"),
};
