/** OpenELM: heads and feed-forward widths that differ by layer (llama.cpp, conversion/openelm.py and models/openelm.cpp). */
import type { Config } from "../config.ts";
import { f32, numberArray, numberOf, numbersOf, u32 } from "../metadata-values.ts";
import type { Architecture, ConfigDraft, ParameterRule } from "./architecture.ts";
import { count, derived, fixed, generic, real } from "./parameters.ts";
import { splitEvenly } from "./split-tensors.ts";
import { same } from "./tensors.ts";

const layer = "transformer.layers.{layer}";

function numbersIn(config: Config, key: string): readonly number[] {
  const values = config.get(key);
  return Array.isArray(values) ? values.map((value) => (typeof value === "number" ? value : 0)) : [];
}

/** The next multiple, but not one that is more than a tenth smaller (Apple's configuration_openelm.py, `make_divisible`). */
function multipleNear(value: number, divisor: number): number {
  const near = Math.max(divisor, Math.floor(Math.trunc(value + divisor / 2) / divisor) * divisor);
  return near < 0.9 * value ? near + divisor : near;
}

function feedForwardLengths(config: Config): readonly number[] {
  const width = config.need("model_dim");
  const divisor = config.need("ffn_dim_divisor");
  return numbersIn(config, "ffn_multipliers").map((factor) => multipleNear(factor * width, divisor));
}

/** One number for each layer. */
function perLayer(key: string, name: string): ParameterRule {
  return derived(
    key,
    (config) => numberArray("i32", numbersIn(config, name)),
    (value, draft) => draft.values.set(name, [...(numbersOf(value) ?? [])]),
  );
}

/** Factors with which the class computes the lengths again: the divisor is the largest that divides all of them. */
function restoreFeedForward(lengths: readonly number[], draft: ConfigDraft): void {
  const width = numberOf(draft.parameter("~.embedding_length")) ?? 1;
  let divisor = 256;
  while (divisor > 1 && lengths.some((length) => length % divisor !== 0)) divisor /= 2;
  draft.values.set("ffn_dim_divisor", divisor);
  draft.values.set(
    "ffn_multipliers",
    lengths.map((length) => length / width),
  );
}

export const openelm: Architecture = {
  name: "openelm",
  classes: ["OpenELMForCausalLM"],
  modelType: "openelm",
  hasRope: false,
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  parameters: [
    count("~.block_count", ["num_transformer_layers"]),
    count("~.context_length", ["max_context_length"]),
    count("~.embedding_length", ["model_dim"]),
    derived(
      "~.feed_forward_length",
      (config) => numberArray("i32", feedForwardLengths(config)),
      (value, draft) => restoreFeedForward(numbersOf(value) ?? [], draft),
    ),
    perLayer("~.attention.head_count", "num_query_heads"),
    perLayer("~.attention.head_count_kv", "num_kv_heads"),
    real("~.rope.freq_base", ["rope_freq_constant"]),
    fixed("~.attention.layer_norm_rms_epsilon", f32(1e-6)),
    derived("~.rope.dimension_count", (config) => u32(config.need("head_dim"))),
    generic.keyLength,
    generic.valueLength,
    generic.fileType,
  ],
  tensors: [
    same("transformer.token_embeddings.weight", "token_embd.weight"),
    same("transformer.norm.weight", "output_norm.weight"),
    same("lm_head.weight", "output.weight"),
    same(`${layer}.attn_norm.weight`, "blk.{layer}.attn_norm.weight"),
    same(`${layer}.attn.qkv_proj.weight`, "blk.{layer}.attn_qkv.weight"),
    same(`${layer}.attn.q_norm.weight`, "blk.{layer}.attn_q_norm.weight"),
    same(`${layer}.attn.k_norm.weight`, "blk.{layer}.attn_k_norm.weight"),
    same(`${layer}.attn.out_proj.weight`, "blk.{layer}.attn_output.weight"),
    same(`${layer}.ffn_norm.weight`, "blk.{layer}.ffn_norm.weight"),
    splitEvenly(`${layer}.ffn.proj_1.weight`, ["blk.{layer}.ffn_gate.weight", "blk.{layer}.ffn_up.weight"]),
    same(`${layer}.ffn.proj_2.weight`, "blk.{layer}.ffn_down.weight"),
  ],
  // it uses the tokenizer of Llama 2
  tokenizer: { kinds: ["sentencepiece"], json: "llama" },
  finishConfig(draft) {
    const { values, ggufNames } = draft;
    values.set("share_input_output_layers", !ggufNames.has("output.weight"));
    values.set("normalize_qk_projections", ggufNames.has("blk.0.attn_q_norm.weight"));
    values.set("ffn_with_glu", true);
    values.set("activation_fn_name", "swish");
    values.set("normalization_layer_name", "rms_norm");
    const length = 2 * Number(values.get("max_context_length"));
    values.set("rope_max_length", length);
    draft.assume(
      "rope_max_length",
      length,
      "a GGUF does not hold it; published models have twice the context",
    );
    values.set("auto_map", {
      AutoConfig: "apple/OpenELM-270M--configuration_openelm.OpenELMConfig",
      AutoModelForCausalLM: "apple/OpenELM-270M--modeling_openelm.OpenELMForCausalLM",
    });
  },
};
