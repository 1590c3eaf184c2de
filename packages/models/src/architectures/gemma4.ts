/** Gemma 4: per-layer embeddings, shared key-value layers, two head lengths (llama.cpp, conversion/gemma.py). */
import { smallest } from "@requant/core";
import type { Config } from "../config.ts";
import { numberField, textField } from "../json.ts";
import { bool, boolsOf, f32, numberArray, numberOf, numbersOf, u32 } from "../metadata-values.ts";
import { setRope } from "../rope.ts";
import { spacePrefix } from "../tokenizer/extras.ts";
import type { Architecture, ConfigDraft, ExtraTensor } from "./architecture.ts";
import {
  count,
  derived,
  deriveLayerTypes,
  generic,
  real,
  slidingPattern,
  textParameters,
} from "./parameters.ts";
import { joinedEvenly } from "./split-tensors.ts";
import { attention, decoderEnds, gatedFeedForward, headNorms, same } from "./tensors.ts";

const layer = "model.layers.{layer}";

function turnedPairs(headLength: number, partialFactor: number): number {
  return Math.trunc((headLength * partialFactor) / 2);
}

/** The share of the pairs that are rotated. Where the reader rounds the product down, half a pair is added. */
function partialFactorOf(turned: number, pairs: number): number {
  const factor = turned / pairs;
  return turnedPairs(2 * pairs, factor) === turned ? factor : (turned + 0.5) / pairs;
}

/** Dimensions beyond the rotated part get a factor so large that they are not rotated. */
const proportionalFactors: ExtraTensor = {
  name: "rope_freqs.weight",
  values(config) {
    const rope = config.rope();
    if (textField(rope, "rope_type") !== "proportional") return undefined;
    const pairs = Math.floor(config.need("global_head_dim") / 2);
    const partial = numberField(rope, "partial_rotary_factor") ?? 1;
    const turned = turnedPairs(config.need("global_head_dim"), partial);
    return Array.from({ length: pairs }, (_, index) => (index < turned ? 1 : Math.fround(1e30)));
  },
  restore(values, draft) {
    setRope(draft, "rope_type", "proportional", "full_attention");
    let turned = 0;
    for (let pair = 0; pair < (values?.length ?? 0); pair++) if (values?.[pair] === 1) turned++;
    const partial = values === undefined ? 0.25 : partialFactorOf(turned, values.length);
    setRope(draft, "partial_rotary_factor", partial, "full_attention");
    if (values === undefined) {
      draft.assume("partial_rotary_factor", partial, "rope_freqs.weight was not read");
    }
  },
};

const slides = (index: number): boolean => (index + 1) % 6 !== 0;

function perLayer(config: Config, lengthOf: (index: number) => number): readonly number[] {
  return Array.from({ length: config.need("num_hidden_layers") }, (_, index) => lengthOf(index));
}

function finish(draft: ConfigDraft): void {
  const { values } = draft;
  const number = (key: string): number | undefined => numberOf(draft.parameter(key));
  values.set("global_head_dim", number("~.attention.key_length") ?? 512);
  values.set("head_dim", number("~.attention.key_length_swa") ?? 256);
  const lengths = numbersOf(draft.parameter("~.feed_forward_length"));
  values.set("use_double_wide_mlp", lengths !== undefined);
  const shortest = smallest(lengths ?? []);
  if (shortest !== undefined) values.set("intermediate_size", shortest);
  const heads = numbersOf(draft.parameter("~.attention.head_count_kv"));
  const sliding = boolsOf(draft.parameter("~.attention.sliding_window_pattern")) ?? [];
  if (heads !== undefined) {
    values.set("num_key_value_heads", heads[sliding.indexOf(true)] ?? heads[0] ?? 1);
    values.set("num_global_key_value_heads", heads[sliding.indexOf(false)] ?? null);
  }
  values.set("enable_moe_block", draft.ggufNames.has("blk.0.ffn_gate_inp.weight"));
  const full = sliding.indexOf(false);
  values.set("attention_k_eq_v", full >= 0 && !draft.ggufNames.has(`blk.${full}.attn_v.weight`));
  const perLayerEmbedding = draft.shapeOf("per_layer_token_embd.weight");
  if (perLayerEmbedding !== undefined) values.set("vocab_size_per_layer_input", perLayerEmbedding[0] ?? null);
  setRope(draft, "rope_type", "default", "sliding_attention");
  if (!draft.ggufNames.has("rope_freqs.weight")) setRope(draft, "rope_type", "default", "full_attention");
}

export const gemma4: Architecture = {
  name: "gemma4",
  memory: {
    windows: { period: 6 },
    ownCaches: (sizes) => sizes.trunk - (sizes.number("attention.shared_kv_layers") ?? 0),
  },
  classes: ["Gemma4ForCausalLM", "Gemma4ForConditionalGeneration"],
  modelType: "gemma4_text",
  defaults: {
    attention_bias: false,
    attention_k_eq_v: false,
    bos_token_id: 2,
    enable_moe_block: false,
    eos_token_id: 1,
    final_logit_softcapping: null,
    global_head_dim: 512,
    head_dim: 256,
    hidden_activation: "gelu_pytorch_tanh",
    hidden_size: 2304,
    hidden_size_per_layer_input: 256,
    intermediate_size: 9216,
    max_position_embeddings: 131072,
    moe_intermediate_size: null,
    num_attention_heads: 8,
    num_experts: null,
    num_global_key_value_heads: null,
    num_hidden_layers: 30,
    num_key_value_heads: 4,
    num_kv_shared_layers: 0,
    pad_token_id: 0,
    rms_norm_eps: 1e-6,
    rope_parameters: {
      sliding_attention: { rope_type: "default", rope_theta: 10000 },
      full_attention: { rope_type: "proportional", partial_rotary_factor: 0.25, rope_theta: 1000000 },
    },
    sliding_window: 512,
    tie_word_embeddings: true,
    top_k_experts: null,
    use_double_wide_mlp: false,
    vocab_size: 262144,
    vocab_size_per_layer_input: 262144,
  },
  derive: [deriveLayerTypes((index) => (slides(index) ? "sliding_attention" : "full_attention"))],
  parameters: [
    ...textParameters,
    derived("~.attention.key_length", (config) => u32(config.need("global_head_dim"))),
    derived("~.attention.value_length", (config) => u32(config.need("global_head_dim"))),
    {
      ...real("~.final_logit_softcapping", ["final_logit_softcapping"]),
      toGguf(config) {
        const cap = config.number("final_logit_softcapping");
        return cap === undefined || cap === 0 ? undefined : f32(cap);
      },
    },
    generic.slidingWindow,
    count("~.attention.shared_kv_layers", ["num_kv_shared_layers"]),
    count("~.embedding_length_per_layer_input", ["hidden_size_per_layer_input"]),
    slidingPattern(slides),
    derived("~.attention.key_length_swa", (config) => u32(config.need("head_dim"))),
    derived("~.attention.value_length_swa", (config) => u32(config.need("head_dim"))),
    generic.expertFeedForwardLength,
    derived("~.feed_forward_length", (config) => {
      const length = config.need("intermediate_size");
      if (config.flag("use_double_wide_mlp") !== true) return u32(length);
      // the layers that share keys and values are twice as wide
      const first = config.need("num_hidden_layers") - config.need("num_kv_shared_layers");
      return numberArray(
        "i32",
        perLayer(config, (index) => (index < first ? length : 2 * length)),
      );
    }),
    derived("~.attention.head_count_kv", (config) => {
      const local = config.need("num_key_value_heads");
      const global = config.count("num_global_key_value_heads");
      if (global === undefined) return u32(local);
      const types = config.get("layer_types");
      const isFull = (index: number): boolean => Array.isArray(types) && types[index] === "full_attention";
      return numberArray(
        "i32",
        perLayer(config, (index) => (isFull(index) ? global : local)),
      );
    }),
    derived("~.rope.dimension_count", (config) => u32(config.need("global_head_dim"))),
    derived("~.rope.dimension_count_swa", (config) => u32(config.need("head_dim"))),
  ],
  extraTensors: [proportionalFactors],
  tensors: [
    ...decoderEnds,
    same("model.embed_tokens_per_layer.weight", "per_layer_token_embd.weight"),
    same("model.per_layer_model_projection.weight", "per_layer_model_proj.weight"),
    same("model.per_layer_projection_norm.weight", "per_layer_proj_norm.weight"),
    same(`${layer}.input_layernorm.weight`, "blk.{layer}.attn_norm.weight"),
    same(`${layer}.post_attention_layernorm.weight`, "blk.{layer}.post_attention_norm.weight"),
    same(`${layer}.pre_feedforward_layernorm.weight`, "blk.{layer}.ffn_norm.weight"),
    same(`${layer}.post_feedforward_layernorm.weight`, "blk.{layer}.post_ffw_norm.weight"),
    same(`${layer}.post_per_layer_input_norm.weight`, "blk.{layer}.post_norm.weight"),
    same(`${layer}.layer_scalar`, "blk.{layer}.layer_output_scale.weight"),
    same(`${layer}.per_layer_input_gate.weight`, "blk.{layer}.inp_gate.weight"),
    same(`${layer}.per_layer_projection.weight`, "blk.{layer}.proj.weight"),
    ...attention(false),
    ...headNorms,
    ...gatedFeedForward,
    same(`${layer}.experts.down_proj`, "blk.{layer}.ffn_down_exps.weight"),
    same(`${layer}.experts.gate_up_proj`, "blk.{layer}.ffn_gate_up_exps.weight"),
    same(`${layer}.router.proj.weight`, "blk.{layer}.ffn_gate_inp.weight"),
    same(`${layer}.router.scale`, "blk.{layer}.ffn_gate_inp.scale"),
    same(`${layer}.router.per_expert_scale`, "blk.{layer}.ffn_down_exps.scale"),
    same(`${layer}.post_feedforward_layernorm_1.weight`, "blk.{layer}.post_ffw_norm_1.weight"),
    same(`${layer}.post_feedforward_layernorm_2.weight`, "blk.{layer}.post_ffw_norm_2.weight"),
    same(`${layer}.pre_feedforward_layernorm_2.weight`, "blk.{layer}.pre_ffw_norm_2.weight"),
  ],
  mlxTensors: [
    same(`${layer}.experts.switch_glu.down_proj.weight`, "blk.{layer}.ffn_down_exps.weight"),
    joinedEvenly(
      [`${layer}.experts.switch_glu.gate_proj.weight`, `${layer}.experts.switch_glu.up_proj.weight`],
      "blk.{layer}.ffn_gate_up_exps.weight",
    ),
  ],
  tokenizer: {
    kinds: ["gemma4"],
    after: [spacePrefix(false), () => [["tokenizer.ggml.add_bos_token", bool(true)]]],
    visibleTokens: [
      "<|channel>",
      "<channel|>",
      "<|tool_call>",
      "<tool_call|>",
      "<|tool_response>",
      "<tool_response|>",
      '<|"|>',
    ],
    ownKeys: ["tokenizer.ggml.add_bos_token"],
    json: "gemma",
  },
  finishConfig: finish,
};
