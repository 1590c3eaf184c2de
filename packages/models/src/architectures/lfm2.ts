/** LFM 2: short convolutions between attention layers (llama.cpp, conversion/lfm2.py). */
import { largest } from "@requant/core";
import type { ConfigValues } from "../config.ts";
import { numberArray, numbersOf, u32 } from "../metadata-values.ts";
import { sentencePieceOrBpe } from "../tokenizer/extras.ts";
import type { Architecture, ParameterRule, TensorRule } from "./architecture.ts";
import { count, derived, generic, textParameters } from "./parameters.ts";
import { attention, decoderEnds, same, squeezed } from "./tensors.ts";

export function layerTypes(values: ConfigValues): void {
  const layers = values.get("num_hidden_layers");
  if (Array.isArray(values.get("layer_types")) || typeof layers !== "number") return;
  const full = values.get("full_attn_idxs");
  const isFull = (layer: number): boolean => !Array.isArray(full) || full.includes(layer);
  values.set(
    "layer_types",
    Array.from({ length: layers }, (_, layer) => (isFull(layer) ? "full_attention" : "conv")),
  );
}

/** Convolution layers have no key-value heads. */
export const attentionLayers: ParameterRule = derived(
  "~.attention.head_count_kv",
  (config) => {
    const types = config.get("layer_types");
    const heads = config.need("num_key_value_heads");
    return numberArray("i32", Array.isArray(types) ? types.map((type) => (type === "conv" ? 0 : heads)) : []);
  },
  (value, draft) => {
    const heads = numbersOf(value);
    if (heads === undefined) return;
    draft.values.set("num_key_value_heads", largest(heads) ?? 0);
    draft.values.set(
      "layer_types",
      heads.map((own) => (own === 0 ? "conv" : "full_attention")),
    );
  },
);

export const lfm2Tensors: readonly TensorRule[] = [
  ...decoderEnds.filter(({ hf }) => hf[0] !== "model.norm.*"),
  same("model.embedding_norm.weight", "token_embd_norm.weight"),
  same("model.layers.{layer}.operator_norm.weight", "blk.{layer}.attn_norm.weight"),
  same("model.layers.{layer}.ffn_norm.weight", "blk.{layer}.ffn_norm.weight"),
  ...attention(false).slice(0, 3),
  same("model.layers.{layer}.self_attn.out_proj.weight", "blk.{layer}.attn_output.weight"),
  same("model.layers.{layer}.self_attn.q_layernorm.weight", "blk.{layer}.attn_q_norm.weight"),
  same("model.layers.{layer}.self_attn.k_layernorm.weight", "blk.{layer}.attn_k_norm.weight"),
  squeezed("model.layers.{layer}.conv.conv.weight", "blk.{layer}.shortconv.conv.weight"),
  same("model.layers.{layer}.conv.in_proj.weight", "blk.{layer}.shortconv.in_proj.weight"),
  same("model.layers.{layer}.conv.out_proj.weight", "blk.{layer}.shortconv.out_proj.weight"),
  same("model.layers.{layer}.feed_forward.w1.weight", "blk.{layer}.ffn_gate.weight"),
  same("model.layers.{layer}.feed_forward.w3.weight", "blk.{layer}.ffn_up.weight"),
  same("model.layers.{layer}.feed_forward.w2.weight", "blk.{layer}.ffn_down.weight"),
];

export const lfm2: Architecture = {
  name: "lfm2",
  memory: { windows: { period: 0 }, states: "without key heads", residualFirst: "both" },
  classes: ["Lfm2ForCausalLM", "LFM2ForCausalLM"],
  modelType: "lfm2",
  aliases: { block_dim: "hidden_size", block_ff_dim: "intermediate_size" },
  defaults: {
    block_auto_adjust_ff_dim: true,
    block_ffn_dim_multiplier: 1,
    block_multiple_of: 256,
    bos_token_id: 1,
    conv_L_cache: 3,
    conv_bias: false,
    eos_token_id: 2,
    hidden_size: 2560,
    intermediate_size: 12288,
    max_position_embeddings: 128000,
    norm_eps: 1e-5,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 8,
    pad_token_id: 0,
    rope_parameters: { rope_theta: 1000000, rope_type: "default" },
    tie_word_embeddings: true,
    vocab_size: 65536,
  },
  derive: [layerTypes],
  parameters: [
    ...textParameters,
    attentionLayers,
    generic.vocabularySize,
    count("~.shortconv.l_cache", ["conv_L_cache"]),
    derived("~.feed_forward_length", (config) => {
      const given = config.need("intermediate_size");
      if (config.flag("block_auto_adjust_ff_dim") !== true) return u32(given);
      const multiple = config.need("block_multiple_of");
      const adjusted = Math.trunc(
        (config.number("block_ffn_dim_multiplier") ?? 1) * Math.trunc((2 * given) / 3),
      );
      return u32(multiple * Math.ceil(adjusted / multiple));
    }),
  ],
  tensors: lfm2Tensors,
  tokenizer: sentencePieceOrBpe,
  finishConfig(draft) {
    // the length that GGUF holds is the adjusted one
    draft.values.set("block_auto_adjust_ff_dim", false);
  },
};
