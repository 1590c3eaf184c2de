/** Mellum 2: Qwen 3's mixture with sliding windows that have a rope base of their own (llama.cpp, conversion/mellum.py). */
import { isJsonObject } from "../json.ts";
import { u32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { expertWeightsNorm } from "./expert-parameters.ts";
import { expertLayers } from "./expert-tensors.ts";
import {
  derived,
  deriveKeyValueHeads,
  deriveLayerTypes,
  generic,
  setAttentionBias,
  slidingPattern,
  textParameters,
} from "./parameters.ts";

const bases = {
  full_attention: { rope_theta: 500000, rope_type: "default" },
  sliding_attention: { rope_theta: 10000, rope_type: "default" },
};

export const mellum: Architecture = {
  name: "mellum",
  memory: { windows: { period: 4 } },
  classes: ["MellumForCausalLM"],
  modelType: "mellum",
  aliases: { num_experts: "num_local_experts" },
  defaults: {
    attention_bias: false,
    bos_token_id: null,
    eos_token_id: null,
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 2304,
    intermediate_size: 7168,
    max_position_embeddings: 131072,
    moe_intermediate_size: 896,
    norm_topk_prob: true,
    num_attention_heads: 32,
    num_experts_per_tok: 8,
    num_hidden_layers: 28,
    num_key_value_heads: 4,
    num_local_experts: 64,
    pad_token_id: null,
    rms_norm_eps: 1e-6,
    rope_parameters: bases,
    sliding_window: 1024,
    tie_word_embeddings: false,
    vocab_size: 98304,
  },
  derive: [
    deriveKeyValueHeads,
    deriveLayerTypes(() => "full_attention"),
    // a base outside the rope settings of both kinds of layers is not read
    (values) => {
      const rope = values.get("rope_parameters");
      if (!isJsonObject(rope) || !Object.values(rope).some(isJsonObject))
        values.set("rope_parameters", bases);
    },
  ],
  parameters: [
    ...textParameters,
    generic.expertFeedForwardLength,
    derived(
      "~.attention.sliding_window",
      (config) => {
        const window = config.count("sliding_window");
        return config.flag("use_sliding_window") === false || window === undefined ? undefined : u32(window);
      },
      generic.slidingWindow.toHf,
    ),
    slidingPattern(() => false),
    expertWeightsNorm("norm_topk_prob"),
  ],
  tensors: expertLayers,
  tokenizer: byteBpe,
  finishConfig(draft) {
    setAttentionBias(draft);
    // the published spelling
    draft.values.set("num_experts", draft.values.get("num_local_experts") ?? null);
  },
};
