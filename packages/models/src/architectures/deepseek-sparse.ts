/**
 * DeepSeek V3.2, GLM-5 and GLM-4.7-Flash: the latent attention of DeepSeek, in the first two with an indexer that chooses
 * tokens (llama.cpp, conversion/deepseek.py and glm.py).
 */
import { boolArray, boolsOf, numberOf, stringOf, u32 } from "../metadata-values.ts";
import type { Architecture, ConfigDraft, ParameterRule, TensorRule } from "./architecture.ts";
import { deepseek3, finishLatent, latentParameters, latentTensors } from "./deepseek.ts";
import { glmMoeTokenizer } from "./glm.ts";
import { count, derived } from "./parameters.ts";
import { countedBlocks, nextTokenTensors, predictedLayers, predictionCount } from "./prediction.ts";
import { same, tiedHead } from "./tensors.ts";

const indexer = "model.layers.{layer}.self_attn.indexer";

const indexerTensors: readonly TensorRule[] = [
  same(`${indexer}.wq_b.weight`, "blk.{layer}.indexer.attn_q_b.weight"),
  same(`${indexer}.wk.weight`, "blk.{layer}.indexer.attn_k.weight"),
  same(`${indexer}.k_norm.*`, "blk.{layer}.indexer.k_norm.*"),
  same(`${indexer}.weights_proj.weight`, "blk.{layer}.indexer.proj.weight"),
];

const indexerParameters: readonly ParameterRule[] = [
  count("~.attention.indexer.head_count", ["index_n_heads"]),
  count("~.attention.indexer.key_length", ["index_head_dim"]),
  count("~.attention.indexer.top_k", ["index_topk"]),
];

/** The number of routed experts, whatever else config.json counts. */
const routedCount: ParameterRule = derived("~.expert_count", (config) =>
  u32(config.need("n_routed_experts")),
);

const counted: readonly ParameterRule[] = [countedBlocks, ...latentParameters.slice(1), routedCount];
const tensors: readonly TensorRule[] = [...latentTensors, ...nextTokenTensors];

const sparseDefaults = {
  attention_bias: false,
  bos_token_id: 0,
  eos_token_id: 1,
  first_k_dense_replace: 3,
  head_dim: 64,
  hidden_act: "silu",
  index_head_dim: 128,
  index_topk: 2048,
  kv_lora_rank: 512,
  moe_intermediate_size: 2048,
  n_routed_experts: 256,
  n_shared_experts: 1,
  norm_topk_prob: true,
  num_experts_per_tok: 8,
  pad_token_id: null,
  rms_norm_eps: 1e-5,
  rope_parameters: { rope_theta: 10000, rope_type: "default" },
  routed_scaling_factor: 2.5,
  tie_word_embeddings: false,
};

function finishExperts(draft: ConfigDraft): void {
  finishLatent(draft);
  draft.values.set("n_routed_experts", numberOf(draft.parameter("~.expert_count")) ?? null);
  draft.values.delete("num_local_experts");
}

export const deepseek32: Architecture = {
  ...deepseek3,
  name: "deepseek32",
  classes: ["DeepseekV32ForCausalLM"],
  modelType: "deepseek_v32",
  defaults: {
    ...sparseDefaults,
    hidden_size: 7168,
    index_n_heads: 64,
    intermediate_size: 18432,
    max_position_embeddings: 163840,
    n_group: 8,
    num_attention_heads: 128,
    num_hidden_layers: 61,
    num_key_value_heads: 128,
    q_lora_rank: 1536,
    qk_nope_head_dim: 128,
    qk_rope_head_dim: 64,
    rms_norm_eps: 1e-6,
    topk_group: 4,
    v_head_dim: 128,
    vocab_size: 129280,
  },
  parameters: [...counted, predictionCount, ...indexerParameters],
  tensors: [...tensors, ...indexerTensors],
  leftOut: [tiedHead],
  finishConfig: finishExperts,
  recognises: () => true,
};

export const glmDsa: Architecture = {
  ...deepseek32,
  name: "glm-dsa",
  classes: ["GlmMoeDsaForCausalLM"],
  modelType: "glm_moe_dsa",
  defaults: {
    ...sparseDefaults,
    hidden_size: 6144,
    index_n_heads: 32,
    intermediate_size: 12288,
    max_position_embeddings: 202752,
    n_group: 1,
    num_attention_heads: 64,
    num_hidden_layers: 78,
    num_key_value_heads: 64,
    q_lora_rank: 2048,
    qk_nope_head_dim: 192,
    qk_rope_head_dim: 64,
    topk_group: 1,
    v_head_dim: 256,
    vocab_size: 154880,
  },
  parameters: [
    ...deepseek32.parameters,
    derived(
      "~.attention.indexer.types",
      (config) => {
        const types = config.get("indexer_types");
        const layers = config.need("num_hidden_layers");
        return boolArray(
          Array.isArray(types) ? types.map((type) => type === "full") : new Array<boolean>(layers).fill(true),
        );
      },
      (value, draft) =>
        draft.values.set("indexer_types", boolsOf(value)?.map((full) => (full ? "full" : "shared")) ?? null),
    ),
  ],
  tokenizer: glmMoeTokenizer,
};

export const glm47Flash: Architecture = {
  ...deepseek3,
  classes: ["Glm4MoeLiteForCausalLM"],
  modelType: "glm4_moe_lite",
  defaults: {
    attention_bias: false,
    bos_token_id: 0,
    eos_token_id: 1,
    hidden_act: "silu",
    hidden_size: 2048,
    intermediate_size: 10240,
    kv_lora_rank: 512,
    max_position_embeddings: 202752,
    moe_intermediate_size: 1536,
    n_group: 1,
    n_routed_experts: 64,
    n_shared_experts: 1,
    norm_topk_prob: true,
    num_attention_heads: 20,
    num_experts_per_tok: 4,
    num_hidden_layers: 47,
    num_key_value_heads: 20,
    pad_token_id: null,
    q_lora_rank: 768,
    qk_nope_head_dim: 192,
    qk_rope_head_dim: 64,
    rms_norm_eps: 1e-5,
    rope_interleave: true,
    rope_parameters: { rope_theta: 10000, partial_rotary_factor: 1, rope_type: "default" },
    routed_scaling_factor: 1.8,
    tie_word_embeddings: false,
    topk_group: 1,
    v_head_dim: 256,
    vocab_size: 154880,
  },
  // the class has no head_dim
  derive: [(values) => values.delete("head_dim")],
  parameters: [
    ...counted.filter((rule) => rule !== routedCount),
    {
      ...predictionCount,
      toGguf: (config, { hfNames }) => {
        const layers = predictedLayers(config, hfNames);
        return layers === 0 ? undefined : u32(layers);
      },
    },
  ],
  tensors,
  leftOut: [tiedHead],
  tokenizer: glmMoeTokenizer,
  finishConfig(draft) {
    finishExperts(draft);
    draft.values.delete("head_dim");
  },
  recognises: (metadata) => stringOf(metadata.get("tokenizer.ggml.pre")) === "glm4",
};
