/** MiniCPM, with scaled embedding, residuals and logits, and MiniCPM 3 with latent attention (llama.cpp, conversion/minicpm.py and models/minicpm.cpp, minicpm3.cpp). */
import { f32, numberOf, u32 } from "../metadata-values.ts";
import { longRopeFactors } from "../rope-factors.ts";
import type { TokenizerRules } from "../tokenizer/rules.ts";
import type { Architecture } from "./architecture.ts";
import { count, derived, deriveKeyValueHeads, generic, real, textParameters } from "./parameters.ts";
import { attention, decoderEnds, gatedFeedForward, layerNorms, same } from "./tensors.ts";

const layer = "model.layers.{layer}";
const tokenizer: TokenizerRules = { kinds: ["sentencepiece"], json: "llama" };
const factorTensors = [
  longRopeFactors("rope_factors_long.weight", "long_factor"),
  longRopeFactors("rope_factors_short.weight", "short_factor"),
];

export const minicpm: Architecture = {
  name: "minicpm",
  classes: ["MiniCPMForCausalLM"],
  modelType: "minicpm",
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  derive: [deriveKeyValueHeads],
  parameters: [
    ...textParameters,
    real("~.embedding_scale", ["scale_emb"]),
    derived(
      "~.residual_scale",
      (config) => f32((config.number("scale_depth") ?? 1) / Math.sqrt(config.need("num_hidden_layers"))),
      (value, draft) => {
        const layers = numberOf(draft.parameter("~.block_count")) ?? 1;
        const depth = (numberOf(value) ?? 1) * Math.sqrt(layers);
        // six digits: more than a published setting has, fewer than the square root leaves uncertain
        draft.values.set("scale_depth", Number(depth.toPrecision(6)));
      },
    ),
    derived(
      "~.logit_scale",
      (config) => f32(config.need("hidden_size") / config.need("dim_model_base")),
      (value, draft) => {
        const hidden = numberOf(draft.parameter("~.embedding_length")) ?? 0;
        draft.values.set("dim_model_base", Math.round(hidden / (numberOf(value) ?? 1)));
      },
    ),
  ],
  extraTensors: factorTensors,
  tensors: [...decoderEnds, ...layerNorms, ...attention(true), ...gatedFeedForward],
  tokenizer,
  finishConfig({ values }) {
    values.set("auto_map", {
      AutoConfig: "openbmb/MiniCPM-2B-sft-bf16--configuration_minicpm.MiniCPMConfig",
      AutoModelForCausalLM: "openbmb/MiniCPM-2B-sft-bf16--modeling_minicpm.MiniCPMForCausalLM",
    });
  },
};

export const minicpm3: Architecture = {
  ...minicpm,
  name: "minicpm3",
  memory: { expandsLatent: true },
  classes: ["MiniCPM3ForCausalLM"],
  modelType: "minicpm3",
  parameters: [
    generic.fileType,
    generic.contextLength,
    generic.embeddingLength,
    generic.blockCount,
    generic.feedForwardLength,
    generic.headCount,
    generic.headCountKv,
    generic.rmsEpsilon,
    generic.vocabularySize,
    count("~.attention.q_lora_rank", ["q_lora_rank"]),
    count("~.attention.kv_lora_rank", ["kv_lora_rank"]),
    derived(
      "~.attention.key_length",
      (config) => u32(config.need("qk_nope_head_dim") + config.need("qk_rope_head_dim")),
      (value, draft) => {
        const rope = numberOf(draft.parameter("~.rope.dimension_count")) ?? 0;
        draft.values.set("qk_nope_head_dim", (numberOf(value) ?? 0) - rope);
      },
    ),
    count("~.rope.dimension_count", ["qk_rope_head_dim"]),
  ],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    same(`${layer}.self_attn.q_a_proj.weight`, "blk.{layer}.attn_q_a.weight"),
    same(`${layer}.self_attn.q_a_layernorm.weight`, "blk.{layer}.attn_q_a_norm.weight"),
    same(`${layer}.self_attn.q_b_proj.weight`, "blk.{layer}.attn_q_b.weight"),
    same(`${layer}.self_attn.kv_a_proj_with_mqa.weight`, "blk.{layer}.attn_kv_a_mqa.weight"),
    same(`${layer}.self_attn.kv_a_layernorm.weight`, "blk.{layer}.attn_kv_a_norm.weight"),
    same(`${layer}.self_attn.kv_b_proj.weight`, "blk.{layer}.attn_kv_b.weight"),
    same(`${layer}.self_attn.o_proj.weight`, "blk.{layer}.attn_output.weight"),
    ...gatedFeedForward,
  ],
  finishConfig(draft) {
    const { values } = draft;
    const number = (key: string): number => numberOf(draft.parameter(key)) ?? 0;
    const heads = number("~.attention.head_count");
    const nope = number("~.attention.key_length") - number("~.rope.dimension_count");
    const rows = draft.shapeOf("blk.0.attn_kv_b.weight")?.[0] ?? 0;
    values.set("v_head_dim", rows / heads - nope);
    // llama.cpp computes with these numbers, whatever the config says
    for (const [key, value] of Object.entries({ scale_emb: 12, scale_depth: 1.4, dim_model_base: 256 })) {
      values.set(key, value);
      draft.assume(key, value, "a GGUF does not hold it; what llama.cpp computes with is taken");
    }
    values.set("rope_theta", 10000);
    draft.assume("rope_theta", 10000, "a GGUF of this family does not hold it; the published model has it");
    const context = number("~.context_length");
    draft.assume(
      "rope_scaling.original_max_position_embeddings",
      context,
      "a GGUF of this family does not hold it",
    );
    values.set("auto_map", {
      AutoConfig: "openbmb/MiniCPM3-4B--configuration_minicpm.MiniCPM3Config",
      AutoModelForCausalLM: "openbmb/MiniCPM3-4B--modeling_minicpm.MiniCPM3ForCausalLM",
    });
  },
};
