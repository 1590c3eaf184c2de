/** StableLM 2 and 3B (llama.cpp, conversion/stablelm.py). */
import { numberField } from "../json.ts";
import { bool, boolOf, f32, numberOf, u32 } from "../metadata-values.ts";
import { setRope } from "../rope.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { llamaDecoder } from "./decoder.ts";
import { derived, deriveKeyValueHeads, generic } from "./parameters.ts";
import {
  attention,
  decoderEnds,
  gatedFeedForward,
  keyHeads,
  layerNorms,
  queryHeads,
  stackedExperts,
} from "./tensors.ts";

const headLength = (hidden: number, heads: number): number => Math.floor(hidden / heads);

export const stablelm: Architecture = {
  name: "stablelm",
  classes: ["StableLmForCausalLM", "StableLMEpochForCausalLM", "LlavaStableLMEpochForCausalLM"],
  modelType: "stablelm",
  defaults: {
    bos_token_id: 0,
    eos_token_id: 0,
    hidden_act: "silu",
    hidden_size: 2560,
    intermediate_size: 6912,
    layer_norm_eps: 1e-5,
    max_position_embeddings: 4096,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 32,
    pad_token_id: null,
    qk_layernorm: false,
    rope_parameters: { rope_theta: 10000, partial_rotary_factor: 0.25, rope_type: "default" },
    tie_word_embeddings: false,
    use_parallel_residual: false,
    use_qkv_bias: false,
    vocab_size: 50304,
  },
  derive: [deriveKeyValueHeads],
  parameters: [
    generic.contextLength,
    generic.embeddingLength,
    generic.blockCount,
    generic.feedForwardLength,
    derived(
      "~.rope.dimension_count",
      (config) => {
        const factor =
          config.number("rope_pct") ?? numberField(config.rope(), "partial_rotary_factor") ?? 0.25;
        return u32(
          Math.trunc(factor * headLength(config.need("hidden_size"), config.need("num_attention_heads"))),
        );
      },
      (value, draft) => {
        const hidden = numberOf(draft.parameter("~.embedding_length")) ?? 0;
        const heads = numberOf(draft.parameter("~.attention.head_count")) ?? 1;
        const dimensions = numberOf(value);
        if (dimensions !== undefined && hidden > 0) {
          setRope(draft, "partial_rotary_factor", dimensions / headLength(hidden, heads));
        }
      },
    ),
    generic.headCount,
    generic.headCountKv,
    derived(
      "~.use_parallel_residual",
      (config) => bool(config.flag("use_parallel_residual") ?? true),
      (value, draft) => draft.values.set("use_parallel_residual", boolOf(value) ?? true),
    ),
    derived(
      "~.attention.layer_norm_epsilon",
      (config) => f32(config.number("layer_norm_eps", "norm_eps") ?? 1e-5),
      generic.normEpsilon.toHf,
    ),
    generic.fileType,
  ],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    ...attention(false),
    ...gatedFeedForward,
    stackedExperts(
      [
        [
          "model.layers.{layer}.self_attn.q_layernorm.norms.{expert}.weight",
          "blk.{layer}.attn_q_norm.weight",
        ],
      ],
      queryHeads,
    ),
    stackedExperts(
      [
        [
          "model.layers.{layer}.self_attn.k_layernorm.norms.{expert}.weight",
          "blk.{layer}.attn_k_norm.weight",
        ],
      ],
      keyHeads,
    ),
  ],
  tokenizer: byteBpe,
  // llama.cpp, src/models/stablelm.cpp: both halves are parallel where a layer has no ffn_norm
  decoder: { ...llamaDecoder, norm: "layer", parts: ["attn_norm"], positions: "halves" },
  finishConfig(draft) {
    draft.values.set("use_qkv_bias", draft.ggufNames.has("blk.0.attn_q.bias"));
    draft.values.set("qk_layernorm", draft.ggufNames.has("blk.0.attn_q_norm.weight"));
  },
};
