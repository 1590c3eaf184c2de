import { numberField } from "../json.ts";
import { numberOf, u32 } from "../metadata-values.ts";
import { setRope } from "../rope.ts";
import { byteKinds } from "../tokenizer/extras.ts";
import type { TokenizerRules } from "../tokenizer/rules.ts";
import type { Architecture, ConfigDraft } from "./architecture.ts";
import { llamaDecoder } from "./decoder.ts";
import {
  expertWeightsNorm,
  expertWeightsScale,
  leadingDenseCount,
  sharedExpertCount,
} from "./expert-parameters.ts";
import {
  deriveHeadLength,
  deriveKeyValueHeads,
  fixed,
  generic,
  partialRope,
  textParameters,
} from "./parameters.ts";
import { countedBlocks, nextTokenTensors, predictionCount } from "./prediction.ts";
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

const rope = partialRope((config) =>
  Math.trunc(config.headLength * (numberField(config.rope(), "partial_rotary_factor") ?? 0.5)),
);

function glmTokenizer(rolesByText: readonly (readonly [string, string])[]): TokenizerRules {
  return { kinds: byteKinds, rolesByText };
}

export const glmMoeTokenizer: TokenizerRules = glmTokenizer([
  ["bos", "[gMASK]"],
  ["eot", "<|user|>"],
  ["unk", "<|endoftext|>"],
  ["eom", "<|observation|>"],
]);

function restorePartial(draft: ConfigDraft): void {
  const dimensions = numberOf(draft.parameter("~.rope.dimension_count"));
  const head = numberOf(draft.parameter("~.attention.key_length"));
  if (dimensions !== undefined && head !== undefined)
    setRope(draft, "partial_rotary_factor", dimensions / head);
  draft.values.set("attention_bias", draft.ggufNames.has("blk.0.attn_q.bias"));
}

export const glm4: Architecture = {
  name: "glm4",
  // GLM-4.1V is not here: its rotary pairs of q and k stand in another order in a GGUF (mrope), which is not converted yet
  classes: ["Glm4ForCausalLM"],
  modelType: "glm4",
  defaults: {
    attention_bias: true,
    bos_token_id: null,
    eos_token_id: [151329, 151336, 151338],
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 13696,
    max_position_embeddings: 131072,
    num_attention_heads: 32,
    num_hidden_layers: 40,
    num_key_value_heads: 2,
    pad_token_id: 151329,
    rms_norm_eps: 1.5625e-7,
    rope_parameters: { rope_theta: 10000, partial_rotary_factor: 0.5, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 151552,
  },
  derive: [deriveHeadLength, deriveKeyValueHeads],
  parameters: [...textParameters, rope],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    same("model.layers.{layer}.post_self_attn_layernorm.weight", "blk.{layer}.post_attention_norm.weight"),
    same("model.layers.{layer}.post_mlp_layernorm.weight", "blk.{layer}.post_ffw_norm.weight"),
    ...attention(false),
    same("model.layers.{layer}.mlp.gate_up_proj.weight", "blk.{layer}.ffn_up.weight"),
    same("model.layers.{layer}.mlp.down_proj.weight", "blk.{layer}.ffn_down.weight"),
  ],
  // llama.cpp, src/models/glm4.cpp
  decoder: {
    ...llamaDecoder,
    parts: ["attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"],
    gate: "fused",
  },
  tokenizer: glmTokenizer([
    ["eos", "<|endoftext|>"],
    ["eot", "<|user|>"],
    ["unk", "<|endoftext|>"],
    ["bos", "<|endoftext|>"],
  ]),
  finishConfig: restorePartial,
};

export const glm4moe: Architecture = {
  ...glm4,
  decoder: undefined,
  name: "glm4moe",
  classes: ["Glm4MoeForCausalLM", "Glm4vMoeForConditionalGeneration"],
  modelType: "glm4_moe",
  defaults: {
    attention_bias: false,
    bos_token_id: null,
    eos_token_id: null,
    first_k_dense_replace: 1,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 10944,
    max_position_embeddings: 131072,
    moe_intermediate_size: 1408,
    n_group: 1,
    n_routed_experts: 128,
    n_shared_experts: 1,
    norm_topk_prob: true,
    num_attention_heads: 96,
    num_experts_per_tok: 8,
    num_hidden_layers: 46,
    num_key_value_heads: 8,
    pad_token_id: null,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 10000, partial_rotary_factor: 0.5, rope_type: "default" },
    routed_scaling_factor: 1,
    tie_word_embeddings: false,
    topk_group: 1,
    use_qk_norm: false,
    vocab_size: 151552,
  },
  parameters: [
    countedBlocks,
    ...textParameters.slice(1).filter((rule) => rule !== generic.gatingFunction),
    rope,
    generic.expertFeedForwardLength,
    sharedExpertCount("n_shared_experts"),
    leadingDenseCount("first_k_dense_replace"),
    fixed("~.expert_gating_func", u32(2)),
    expertWeightsScale("routed_scaling_factor"),
    expertWeightsNorm("norm_topk_prob"),
    predictionCount,
  ],
  tensors: [
    ...decoderEnds,
    same("model.layers.{layer}.input_layernorm.weight", "blk.{layer}.attn_norm.weight"),
    same("model.layers.{layer}.post_attention_layernorm.weight", "blk.{layer}.post_attention_norm.weight"),
    ...attention(false),
    ...headNorms,
    ...gatedFeedForward,
    separateExperts("model.layers.{layer}.mlp.experts"),
    router,
    same("model.layers.{layer}.mlp.gate.e_score_correction_bias", "blk.{layer}.exp_probs_b.bias"),
    ...sharedExpert("model.layers.{layer}.mlp.shared_experts"),
    ...nextTokenTensors,
  ],
  tokenizer: glmMoeTokenizer,
  finishConfig(draft) {
    restorePartial(draft);
    draft.values.set("use_qk_norm", draft.ggufNames.has("blk.0.attn_q_norm.weight"));
  },
};
