/** DeepSeek V2 and V3: latent attention, experts, shared experts (llama.cpp, conversion/deepseek.py). */
import type { Config } from "../config.ts";
import { numberField, textField } from "../json.ts";
import { bool, boolOf, f32, numberOf, shortestFloat, u32 } from "../metadata-values.ts";
import { setRope } from "../rope.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { StoredInput, WeightInput } from "../weight-plan.ts";
import type { Architecture, ConfigDraft, LeftOutRule, ParameterRule, TensorRule } from "./architecture.ts";
import { routerBias, sharedExpertFeedForward } from "./expert-tensors.ts";
import { count, derived, fixed, generic, real, textParameters } from "./parameters.ts";
import { attention, decoderEnds, layerNorms, same, tiedHead } from "./tensors.ts";

const ropeLength = (config: Config): number => config.need("qk_rope_head_dim");

/** kv_b_proj `[heads × (nope + v), rank]`: per head the key part, transposed to `[rank, nope]`, and the value part. */
export const latentKeyValue: TensorRule = {
  hf: ["model.layers.{layer}.self_attn.kv_b_proj.weight"],
  gguf: ["blk.{layer}.attn_k_b.weight", "blk.{layer}.attn_v_b.weight"],
  toGguf: ([names], { config, shapeOf }) => {
    const tensor = names?.[0] ?? "";
    const rank = shapeOf(tensor)[1] ?? 1;
    const heads = config.need("num_attention_heads");
    const nope = config.need("qk_nope_head_dim");
    const value = config.need("v_head_dim");
    const each = nope + value;
    const perHead = (start: number, length: number): StoredInput[] =>
      Array.from({ length: heads }, (_, head) => ({
        tensor,
        rows: [head * each + start, head * each + start + length] as const,
      }));
    return [
      {
        shape: [heads, rank, nope],
        inputs: perHead(0, nope).map((input) => ({ ...input, transpose: true as const })),
      },
      { shape: [heads, value, rank], inputs: perHead(nope, value) },
    ];
  },
  toHf: ([key = "", value = ""], { shapeOf }) => {
    const [heads = 1, rank = 1, nope = 1] = shapeOf(key);
    const length = shapeOf(value)[1] ?? 1;
    const inputs = Array.from({ length: heads }, (_, head): readonly WeightInput[] => [
      { tensor: key, rows: [head * rank, (head + 1) * rank], transpose: true },
      { tensor: value, rows: [head * length, (head + 1) * length] },
    ]).flat();
    return [[{ shape: [heads * (nope + length), rank], inputs }]];
  },
};

/** Layers after the last: multi-token prediction. */
export const predictionLayers: LeftOutRule = {
  pattern: /(?:^|\.)layers\.(\d+)\./,
  reason: "multi-token prediction: this family's GGUF does not hold it",
  when: (config, match) => Number(match[1]) >= config.need("num_hidden_layers"),
};

export function finishLatent(draft: ConfigDraft): void {
  const { values } = draft;
  const number = (key: string): number | undefined => numberOf(draft.parameter(key));
  const heads = number("~.attention.head_count");
  if (heads !== undefined) values.set("num_key_value_heads", heads);
  const rope = number("~.rope.dimension_count") ?? 64;
  values.set("qk_rope_head_dim", rope);
  values.set("head_dim", rope);
  const key = number("~.attention.key_length_mla");
  if (key !== undefined) {
    values.set("qk_nope_head_dim", key - rope);
    values.set("qk_head_dim", key);
  }
  values.set("q_lora_rank", number("~.attention.q_lora_rank") ?? null);
  values.set("norm_topk_prob", boolOf(draft.parameter("~.expert_weights_norm")) ?? false);
  const multiplier = number("~.rope.scaling.yarn_log_multiplier");
  if (multiplier !== undefined) {
    const scale = shortestFloat(Math.fround(multiplier * 10));
    setRope(draft, "mscale_all_dim", scale);
    setRope(draft, "mscale", scale);
    draft.assume("rope_scaling.mscale", scale, "taken to equal mscale_all_dim, as published models have it");
  }
}

/** Latent attention with experts; GGUF sees it as attention with one key-value head. */
export const latentParameters: readonly ParameterRule[] = [
  ...textParameters,
  fixed("~.attention.head_count_kv", u32(1)),
  count("~.leading_dense_block_count", ["first_k_dense_replace"]),
  generic.vocabularySize,
  count("~.attention.q_lora_rank", ["q_lora_rank"]),
  count("~.attention.kv_lora_rank", ["kv_lora_rank"]),
  derived("~.attention.key_length", (config) => u32(config.need("kv_lora_rank") + ropeLength(config))),
  derived("~.attention.value_length", (config) => u32(config.need("kv_lora_rank"))),
  derived("~.attention.key_length_mla", (config) =>
    u32(config.need("qk_nope_head_dim") + ropeLength(config)),
  ),
  count("~.attention.value_length_mla", ["v_head_dim"]),
  generic.expertFeedForwardLength,
  count("~.expert_shared_count", ["n_shared_experts"]),
  real("~.expert_weights_scale", ["routed_scaling_factor"]),
  derived("~.expert_weights_norm", (config) =>
    config.flag("norm_topk_prob") === true ? bool(true) : undefined,
  ),
  derived("~.rope.dimension_count", (config) => u32(ropeLength(config))),
  derived("~.rope.scaling.yarn_log_multiplier", (config) => {
    const scale = numberField(config.rope(), "mscale_all_dim");
    return textField(config.rope(), "rope_type") === "yarn" && scale !== undefined
      ? f32(0.1 * scale)
      : undefined;
  }),
];

export const latentTensors: readonly TensorRule[] = [
  ...decoderEnds,
  ...layerNorms,
  ...attention(false),
  same("model.layers.{layer}.self_attn.q_a_proj.weight", "blk.{layer}.attn_q_a.weight"),
  same("model.layers.{layer}.self_attn.q_b_proj.weight", "blk.{layer}.attn_q_b.weight"),
  same("model.layers.{layer}.self_attn.q_a_layernorm.weight", "blk.{layer}.attn_q_a_norm.weight"),
  same("model.layers.{layer}.self_attn.kv_a_proj_with_mqa.weight", "blk.{layer}.attn_kv_a_mqa.weight"),
  same("model.layers.{layer}.self_attn.kv_a_layernorm.weight", "blk.{layer}.attn_kv_a_norm.weight"),
  latentKeyValue,
  ...sharedExpertFeedForward,
  routerBias,
];

export const deepseek3: Architecture = {
  name: "deepseek2",
  memory: { keepsHidden: true },
  classes: ["DeepseekV3ForCausalLM", "KimiVLForConditionalGeneration", "YoutuForCausalLM"],
  modelType: "deepseek_v3",
  ropeTypeKey: "type",
  defaults: {
    attention_bias: false,
    bos_token_id: 0,
    eos_token_id: 1,
    first_k_dense_replace: 3,
    head_dim: 64,
    hidden_act: "silu",
    hidden_size: 7168,
    intermediate_size: 18432,
    kv_lora_rank: 512,
    max_position_embeddings: 4096,
    moe_intermediate_size: 2048,
    n_group: 8,
    n_routed_experts: 256,
    n_shared_experts: 1,
    norm_topk_prob: true,
    num_attention_heads: 128,
    num_experts_per_tok: 8,
    num_hidden_layers: 61,
    num_key_value_heads: 128,
    pad_token_id: null,
    q_lora_rank: 1536,
    qk_nope_head_dim: 128,
    qk_rope_head_dim: 64,
    rms_norm_eps: 1e-6,
    rope_interleave: true,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    routed_scaling_factor: 2.5,
    tie_word_embeddings: false,
    topk_group: 4,
    v_head_dim: 128,
    vocab_size: 129280,
  },
  derive: [(values) => values.set("head_dim", values.get("qk_rope_head_dim") ?? null)],
  parameters: latentParameters,
  tensors: latentTensors,
  // mlx-lm splits kv_b_proj as GGUF does
  mlxTensors: [
    same("model.layers.{layer}.self_attn.embed_q.weight", "blk.{layer}.attn_k_b.weight"),
    same("model.layers.{layer}.self_attn.unembed_out.weight", "blk.{layer}.attn_v_b.weight"),
  ],
  leftOut: [predictionLayers, tiedHead],
  tokenizer: byteBpe,
  finishConfig: finishLatent,
  recognises: (metadata) => numberOf(metadata.get("deepseek2.expert_gating_func")) === 2,
};

export const deepseek2: Architecture = {
  ...deepseek3,
  classes: ["DeepseekV2ForCausalLM"],
  modelType: "deepseek_v2",
  defaults: {
    attention_bias: false,
    bos_token_id: 1,
    eos_token_id: 2,
    first_k_dense_replace: 0,
    head_dim: 64,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 11008,
    kv_lora_rank: 512,
    max_position_embeddings: 2048,
    mlp_bias: false,
    moe_intermediate_size: 1407,
    n_group: null,
    n_routed_experts: 64,
    n_shared_experts: 2,
    norm_topk_prob: false,
    num_attention_heads: 32,
    num_experts_per_tok: null,
    num_hidden_layers: 32,
    num_key_value_heads: 32,
    pad_token_id: null,
    q_lora_rank: 1536,
    qk_nope_head_dim: 128,
    qk_rope_head_dim: 64,
    rms_norm_eps: 1e-6,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    routed_scaling_factor: 1,
    tie_word_embeddings: false,
    topk_group: null,
    topk_method: "greedy",
    v_head_dim: 128,
    vocab_size: 32000,
  },
  recognises: () => true,
};
