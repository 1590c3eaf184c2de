/** Phi-2, Phi-3 and Phi-4 (llama.cpp, conversion/phi.py). */
import type { Config } from "../config.ts";
import { numberField, textField } from "../json.ts";
import { bool, f32, numberOf, shortestFloat, u32 } from "../metadata-values.ts";
import { setRope } from "../rope.ts";
import { isLongRope, longRopeFactors } from "../rope-factors.ts";
import { byteBpe, byteKinds } from "../tokenizer/extras.ts";
import type { Architecture, ConfigDraft } from "./architecture.ts";
import { llamaDecoder } from "./decoder.ts";
import { count, derived, deriveKeyValueHeads, generic } from "./parameters.ts";
import { attention, decoderEnds, layerNorms, same } from "./tensors.ts";

function partialFactor(config: Config, fallback: number): number {
  return (
    config.number("partial_rotary_factor") ?? numberField(config.rope(), "partial_rotary_factor") ?? fallback
  );
}

const ropeDimensions = (fallback: number) =>
  derived("~.rope.dimension_count", (config) => {
    const rotated = Math.trunc(partialFactor(config, fallback) * config.need("hidden_size"));
    return u32(Math.floor(rotated / config.need("num_attention_heads")));
  });

/** partial_rotary_factor = rotated dimensions / dimensions of a head. */
function restorePartialFactor(draft: ConfigDraft): void {
  const dimensions = numberOf(draft.parameter("~.rope.dimension_count"));
  const hidden = numberOf(draft.parameter("~.embedding_length"));
  const heads = numberOf(draft.parameter("~.attention.head_count"));
  if (dimensions === undefined || hidden === undefined || heads === undefined) return;
  const factor = (dimensions * heads) / hidden;
  draft.values.set("partial_rotary_factor", factor);
  setRope(draft, "partial_rotary_factor", factor);
}

/** The scale of attention for an extended context: the square root of a ratio of logarithms. */
function longRopeAttention(context: number, original: number): number {
  return context > original ? Math.sqrt(1 + Math.log(context / original) / Math.log(original)) : 1;
}

function attentionFactor(config: Config): number | undefined {
  const original = config.need("original_max_position_embeddings");
  const context = config.need("max_position_embeddings");
  if (isLongRope(config)) return longRopeAttention(context, original);
  if (textField(config.rope(), "rope_type") !== "yarn") return undefined;
  return context > original ? 0.1 * Math.log(context / original) + 1 : 1;
}

/** The factor is written only where it differs from the factor that the class computes from the two context lengths. */
function restoreAttentionFactor(draft: ConfigDraft): void {
  const factor = numberOf(draft.parameter("~.rope.scaling.attn_factor"));
  const context = numberOf(draft.parameter("~.context_length"));
  const original = numberOf(draft.parameter("~.rope.scaling.original_context_length"));
  if (factor === undefined || context === undefined || original === undefined) return;
  if (!draft.ggufNames.has("rope_factors_long.weight")) {
    if (factor === 1) return;
    draft.assume(
      "rope_scaling",
      null,
      `the GGUF has rope.scaling.attn_factor ${shortestFloat(factor)}, but neither rope factors nor a type of scaling`,
    );
    return;
  }
  if (Math.fround(longRopeAttention(context, original)) === factor) return;
  setRope(draft, "attention_factor", shortestFloat(factor));
}

export const phi3: Architecture = {
  name: "phi3",
  memory: { residualFirst: "forward" },
  classes: ["Phi3ForCausalLM", "Phi4ForCausalLMV"],
  modelType: "phi3",
  ropeTypeKey: "type",
  defaults: {
    bos_token_id: 1,
    eos_token_id: 32000,
    hidden_act: "silu",
    hidden_size: 3072,
    intermediate_size: 8192,
    max_position_embeddings: 4096,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 32,
    original_max_position_embeddings: 4096,
    pad_token_id: 32000,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 10000, partial_rotary_factor: 1, rope_type: "default" },
    sliding_window: null,
    tie_word_embeddings: false,
    vocab_size: 32064,
  },
  derive: [deriveKeyValueHeads],
  earlyParameters: [
    derived("~.rope.scaling.attn_factor", (config) => {
      const factor = attentionFactor(config);
      return factor === undefined ? undefined : f32(factor);
    }),
  ],
  parameters: [
    generic.contextLength,
    count("~.rope.scaling.original_context_length", ["original_max_position_embeddings"]),
    generic.embeddingLength,
    generic.feedForwardLength,
    generic.blockCount,
    generic.headCount,
    generic.headCountKv,
    generic.rmsEpsilon,
    ropeDimensions(1),
    generic.ropeBase,
    generic.fileType,
    derived(
      "~.attention.sliding_window",
      (config) => u32(config.count("sliding_window") ?? 0),
      (value, draft) => {
        const window = numberOf(value);
        draft.values.set("sliding_window", window === undefined || window === 0 ? null : window);
      },
    ),
  ],
  extraTensors: [
    longRopeFactors("rope_factors_long.weight", "long_factor"),
    longRopeFactors("rope_factors_short.weight", "short_factor"),
  ],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    same("model.layers.{layer}.self_attn.qkv_proj.*", "blk.{layer}.attn_qkv.*"),
    same("model.layers.{layer}.self_attn.o_proj.*", "blk.{layer}.attn_output.*"),
    same("model.layers.{layer}.mlp.gate_up_proj.*", "blk.{layer}.ffn_up.*"),
    same("model.layers.{layer}.mlp.down_proj.*", "blk.{layer}.ffn_down.*"),
  ],
  tokenizer: { kinds: ["sentencepiece", ...byteKinds], addedTokens: "strict", json: "llama" },
  // llama.cpp, src/models/phi3.cpp, which does not use the window
  decoder: { ...llamaDecoder, positions: "halves", gate: "fused" },
  finishConfig(draft) {
    restorePartialFactor(draft);
    restoreAttentionFactor(draft);
  },
};

export const phi2: Architecture = {
  name: "phi2",
  classes: ["PhiForCausalLM"],
  modelType: "phi",
  defaults: {
    bos_token_id: 1,
    eos_token_id: 2,
    hidden_act: "gelu_new",
    hidden_size: 2048,
    intermediate_size: 8192,
    layer_norm_eps: 1e-5,
    max_position_embeddings: 2048,
    num_attention_heads: 32,
    num_hidden_layers: 24,
    num_key_value_heads: 32,
    pad_token_id: null,
    partial_rotary_factor: 0.5,
    qk_layernorm: false,
    rope_parameters: { rope_theta: 10000, partial_rotary_factor: 0.5, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 51200,
  },
  derive: [deriveKeyValueHeads],
  parameters: [
    generic.contextLength,
    generic.embeddingLength,
    // four times the hidden size, whatever the config says
    derived(
      "~.feed_forward_length",
      (config) => u32(4 * config.need("hidden_size")),
      generic.feedForwardLength.toHf,
    ),
    generic.blockCount,
    generic.headCount,
    derived(
      "~.attention.head_count_kv",
      (config) => u32(config.need("num_attention_heads")),
      generic.headCountKv.toHf,
    ),
    derived(
      "~.attention.layer_norm_epsilon",
      (config) => f32(config.number("layer_norm_epsilon", "layer_norm_eps") ?? 1e-5),
      generic.normEpsilon.toHf,
    ),
    ropeDimensions(0.5),
    generic.fileType,
    derived("tokenizer.ggml.add_bos_token", () => bool(false)),
  ],
  tensors: [
    ...decoderEnds.filter(({ hf }) => hf[0] !== "model.norm.*"),
    same("model.final_layernorm.*", "output_norm.*"),
    ...layerNorms.slice(0, 1),
    ...attention(false).slice(0, 3),
    same("model.layers.{layer}.self_attn.dense.*", "blk.{layer}.attn_output.*"),
    same("model.layers.{layer}.mlp.fc1.*", "blk.{layer}.ffn_up.*"),
    same("model.layers.{layer}.mlp.fc2.*", "blk.{layer}.ffn_down.*"),
  ],
  tokenizer: byteBpe,
  // llama.cpp, src/models/phi2.cpp
  decoder: { norm: "layer", parts: ["attn_norm"], positions: "halves", activation: "gelu", gate: "none" },
  finishConfig: restorePartialFactor,
};
