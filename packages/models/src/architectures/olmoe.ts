/** OLMoE: experts in every layer, norms over the whole rows of queries and keys (llama.cpp, conversion/olmo.py). */
import { f32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { expertLayers } from "./expert-tensors.ts";
import { derived, deriveKeyValueHeads, generic, setAttentionBias, textParameters } from "./parameters.ts";

export const olmoe: Architecture = {
  name: "olmoe",
  classes: ["OlmoeForCausalLM"],
  modelType: "olmoe",
  defaults: {
    attention_bias: false,
    bos_token_id: null,
    clip_qkv: null,
    eos_token_id: 50279,
    hidden_act: "silu",
    hidden_size: 2048,
    intermediate_size: 2048,
    max_position_embeddings: 4096,
    norm_topk_prob: false,
    num_attention_heads: 16,
    num_experts: 64,
    num_experts_per_tok: 8,
    num_hidden_layers: 16,
    num_key_value_heads: 16,
    pad_token_id: 1,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 50304,
  },
  derive: [deriveKeyValueHeads],
  parameters: textParameters.map((rule) =>
    // the same number for every model
    rule === generic.rmsEpsilon ? derived(rule.key, () => f32(1e-5), rule.toHf) : rule,
  ),
  tensors: expertLayers,
  tokenizer: byteBpe,
  finishConfig: setAttentionBias,
  notInGguf: {
    clip_qkv: "a GGUF of this family does not say it",
    norm_topk_prob: "a GGUF of this family does not say it",
  },
};
