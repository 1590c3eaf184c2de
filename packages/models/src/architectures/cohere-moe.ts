/** Cohere 2 with experts (llama.cpp, conversion/command_r.py). */
import { bool, boolOf, numberOf, string, u32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture, ParameterRule } from "./architecture.ts";
import { sharedExpertFeedForward } from "./expert-tensors.ts";
import {
  derived,
  deriveKeyValueHeads,
  deriveLayerTypes,
  fixed,
  gatingFunction,
  generic,
  real,
  slidingPattern,
  textParameters,
} from "./parameters.ts";
import { attention, decoderEnds, same } from "./tensors.ts";

const slides = (layer: number): boolean => (layer + 1) % 4 !== 0;

/** The number of layers before the first mixture: mlp_layer_types, else first_k_dense_replace. */
function leadingDense(types: unknown, stated: number | undefined): number {
  if (!Array.isArray(types)) return stated ?? 0;
  const first = types.findIndex((type) => type !== "dense");
  return first < 0 ? types.length : first;
}

export const cohere2moe: Architecture = {
  name: "cohere2moe",
  memory: { windows: { period: 4, whole: "first" } },
  classes: ["Cohere2MoeForCausalLM"],
  modelType: "cohere2_moe",
  defaults: {
    attention_bias: false,
    bos_token_id: 5,
    eos_token_id: 255001,
    expert_selection_fn: "softmax",
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 8192,
    intermediate_size: 22528,
    layer_norm_eps: 1e-5,
    logit_scale: 0.0625,
    max_position_embeddings: 8192,
    norm_topk_prob: true,
    num_attention_heads: 64,
    num_experts: 8,
    num_experts_per_tok: 2,
    num_hidden_layers: 40,
    num_key_value_heads: 64,
    num_shared_experts: 0,
    pad_token_id: 0,
    prefix_dense_intermediate_size: null,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    sliding_window: 4096,
    tie_word_embeddings: true,
    vocab_size: 256000,
  },
  derive: [
    deriveKeyValueHeads,
    deriveLayerTypes((layer) => (slides(layer) ? "sliding_attention" : "full_attention")),
  ],
  parameters: [
    ...textParameters.map(
      (rule): ParameterRule =>
        rule === generic.gatingFunction
          ? gatingFunction("expert_selection_fn")
          : rule === generic.feedForwardLength
            ? {
                ...rule,
                toHf: (value, draft) =>
                  draft.values.set("prefix_dense_intermediate_size", numberOf(value) ?? null),
              }
            : rule,
    ),
    real("~.logit_scale", ["logit_scale"]),
    generic.slidingWindow,
    slidingPattern(slides),
    generic.vocabularySize,
    derived(
      "~.expert_feed_forward_length",
      (config) => u32(config.need("intermediate_size")),
      (value, draft) => draft.values.set("intermediate_size", numberOf(value) ?? 0),
    ),
    derived(
      "~.leading_dense_block_count",
      (config) => u32(leadingDense(config.get("mlp_layer_types"), config.count("first_k_dense_replace"))),
      (value, draft) => {
        const layers = numberOf(draft.parameter("~.block_count")) ?? 0;
        const dense = numberOf(value) ?? 0;
        draft.values.set(
          "mlp_layer_types",
          Array.from({ length: layers }, (_, layer) => (layer < dense ? "dense" : "sparse")),
        );
      },
    ),
    derived(
      "~.expert_weights_norm",
      (config) => bool(config.flag("norm_topk_prob") ?? false),
      (value, draft) => draft.values.set("norm_topk_prob", boolOf(value) ?? false),
    ),
    derived(
      "~.expert_shared_count",
      (config) => {
        const shared = config.count("num_shared_experts") ?? 0;
        return shared > 0 ? u32(shared) : undefined;
      },
      (value, draft) => draft.values.set("num_shared_experts", numberOf(value) ?? 0),
    ),
    derived("~.expert_shared_feed_forward_length", (config) => {
      const shared = config.count("num_shared_experts") ?? 0;
      return shared > 0 ? u32(shared * config.need("intermediate_size")) : undefined;
    }),
    derived("~.rope.dimension_count", (config) => u32(config.need("head_dim"))),
    fixed("~.rope.scaling.type", string("none")),
  ],
  tensors: [
    ...decoderEnds,
    same("model.layers.{layer}.input_layernorm.weight", "blk.{layer}.attn_norm.weight"),
    ...attention(false),
    ...sharedExpertFeedForward,
  ],
  tokenizer: byteBpe,
};
