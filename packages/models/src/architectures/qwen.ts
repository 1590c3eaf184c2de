/** Qwen 2, 2.5 and 3, dense and mixture (llama.cpp, conversion/qwen.py). */
import type { ConfigValues } from "../config.ts";
import { byteBpe, sentencePieceOrBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { type DecoderDescription, llamaDecoder } from "./decoder.ts";
import { count, deriveKeyValueHeads, generic, setAttentionBias, textParameters } from "./parameters.ts";
import { pooling } from "./pooling.ts";
import {
  attention,
  decoderEnds,
  gatedFeedForward,
  headNorms,
  layerNorms,
  router,
  same,
  separateExperts,
  sharedExpert,
} from "./tensors.ts";

/** Removes the window of a config that does not use it. */
function dropUnusedWindow(values: ConfigValues): void {
  if (values.get("use_sliding_window") !== true) values.set("sliding_window", null);
}

const window = { use_sliding_window: false, sliding_window: null };

const windowNotes = {
  use_sliding_window: "a GGUF of this family holds no sliding window",
  max_window_layers: "a GGUF of this family holds no sliding window",
};

export const qwen2: Architecture = {
  name: "qwen2",
  classes: [
    "Qwen2ForCausalLM",
    "Qwen2Model",
    "KORMoForCausalLM",
    "Qwen2AudioForConditionalGeneration",
    "AudioFlamingo3ForConditionalGeneration",
    "DotsOCRForCausalLM",
  ],
  modelType: "qwen2",
  defaults: {
    bos_token_id: null,
    eos_token_id: null,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 22016,
    max_position_embeddings: 32768,
    max_window_layers: 28,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 32,
    pad_token_id: null,
    rms_norm_eps: 1e-6,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 151936,
    ...window,
  },
  derive: [deriveKeyValueHeads, dropUnusedWindow],
  parameters: [...textParameters, pooling],
  tensors: [...decoderEnds, ...layerNorms, ...attention(false), ...gatedFeedForward],
  tokenizer: sentencePieceOrBpe,
  decoder: { ...llamaDecoder, positions: "halves" },
  notInGguf: windowNotes,
};

/** llama.cpp, src/models/qwen3.cpp. */
const qwen3Decoder: DecoderDescription = {
  ...llamaDecoder,
  parts: ["attn_norm", "attn_q_norm", "attn_k_norm", "ffn_norm"],
  positions: "halves",
};

export const qwen3: Architecture = {
  ...qwen2,
  name: "qwen3",
  classes: ["Qwen3ForCausalLM", "Qwen3Model"],
  modelType: "qwen3",
  defaults: {
    attention_bias: false,
    bos_token_id: null,
    eos_token_id: null,
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 22016,
    max_position_embeddings: 32768,
    max_window_layers: 28,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 32,
    pad_token_id: null,
    rms_norm_eps: 1e-6,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 151936,
    ...window,
  },
  tensors: [...qwen2.tensors, ...headNorms],
  decoder: qwen3Decoder,
  finishConfig: setAttentionBias,
};

export const qwen2moe: Architecture = {
  ...qwen2,
  name: "qwen2moe",
  classes: ["Qwen2MoeForCausalLM"],
  modelType: "qwen2_moe",
  defaults: {
    bos_token_id: null,
    decoder_sparse_step: 1,
    eos_token_id: null,
    hidden_act: "silu",
    hidden_size: 2048,
    intermediate_size: 5632,
    max_position_embeddings: 32768,
    max_window_layers: 28,
    mlp_only_layers: [],
    moe_intermediate_size: 1408,
    norm_topk_prob: false,
    num_attention_heads: 16,
    num_experts: 60,
    num_experts_per_tok: 4,
    num_hidden_layers: 24,
    num_key_value_heads: 16,
    pad_token_id: null,
    qkv_bias: true,
    rms_norm_eps: 1e-6,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    shared_expert_intermediate_size: 5632,
    tie_word_embeddings: false,
    vocab_size: 151936,
    ...window,
  },
  parameters: [
    ...textParameters,
    generic.expertFeedForwardLength,
    count("~.expert_shared_feed_forward_length", ["shared_expert_intermediate_size"]),
  ],
  tensors: [
    ...qwen2.tensors,
    separateExperts("model.layers.{layer}.mlp.experts"),
    router,
    ...sharedExpert("model.layers.{layer}.mlp.shared_expert"),
    same("model.layers.{layer}.mlp.shared_expert_gate.weight", "blk.{layer}.ffn_gate_inp_shexp.weight"),
  ],
  // llama.cpp, src/models/qwen2moe.cpp
  decoder: { ...llamaDecoder, positions: "halves", experts: { normalized: false } },
  finishConfig(draft) {
    draft.values.set("qkv_bias", draft.ggufNames.has("blk.0.attn_q.bias"));
  },
  notInGguf: {
    ...windowNotes,
    norm_topk_prob: "a GGUF of this family does not say it",
    decoder_sparse_step: "a GGUF of this family does not say it",
    mlp_only_layers: "a GGUF of this family does not say it",
  },
};

export const qwen3moe: Architecture = {
  ...qwen2moe,
  name: "qwen3moe",
  classes: ["Qwen3MoeForCausalLM"],
  modelType: "qwen3_moe",
  aliases: { num_experts: "num_local_experts" },
  defaults: {
    attention_bias: false,
    bos_token_id: null,
    decoder_sparse_step: 1,
    eos_token_id: null,
    hidden_act: "silu",
    hidden_size: 2048,
    intermediate_size: 6144,
    max_position_embeddings: 32768,
    mlp_only_layers: [],
    moe_intermediate_size: 768,
    // llama.cpp always normalizes; so do all published models, though the class's default is false
    norm_topk_prob: true,
    num_attention_heads: 32,
    num_experts_per_tok: 8,
    num_hidden_layers: 24,
    num_key_value_heads: 4,
    num_local_experts: 128,
    pad_token_id: null,
    rms_norm_eps: 1e-6,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 151936,
    ...window,
  },
  parameters: [...textParameters, generic.expertFeedForwardLength],
  tensors: [...qwen3.tensors, separateExperts("model.layers.{layer}.mlp.experts"), router],
  tokenizer: byteBpe,
  decoder: { ...qwen3Decoder, experts: { normalized: true } },
  finishConfig(draft) {
    setAttentionBias(draft);
    // the published spelling
    draft.values.set("num_experts", draft.values.get("num_local_experts") ?? null);
  },
};
