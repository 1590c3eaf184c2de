/** EXAONE 4: norms after attention and feed-forward, windows in a pattern (llama.cpp, conversion/exaone.py). */
import type { ConfigValues } from "../config.ts";
import { boolArray, numberOf, u32 } from "../metadata-values.ts";
import { llama3RopeFactors } from "../rope-factors.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import {
  derived,
  deriveHeadLength,
  deriveKeyValueHeads,
  deriveLayerTypes,
  generic,
  slidingPattern,
  textParameters,
} from "./parameters.ts";
import { attention, decoderEnds, gatedFeedForward, headNorms, same } from "./tensors.ts";

/** `sliding_window_pattern` is a count ("every fourth is full") or letters ("LLLG", local and global). */
function typeOf(layer: number, values: ConfigValues): string {
  const pattern = values.get("sliding_window_pattern");
  const slides =
    typeof pattern === "string"
      ? pattern[layer % pattern.length] === "L"
      : typeof pattern === "number"
        ? (layer + 1) % pattern !== 0
        : false;
  return slides ? "sliding_attention" : "full_attention";
}

const pattern = slidingPattern(() => false);

export const exaone4: Architecture = {
  name: "exaone4",
  memory: { windows: { period: 4, length: 4096, onlyLayers: 64 } },
  classes: ["Exaone4ForCausalLM"],
  modelType: "exaone4",
  defaults: {
    bos_token_id: 0,
    eos_token_id: 2,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 16384,
    max_position_embeddings: 2048,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 32,
    pad_token_id: null,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    sliding_window: 4096,
    sliding_window_pattern: 4,
    tie_word_embeddings: false,
    vocab_size: 102400,
  },
  derive: [deriveHeadLength, deriveKeyValueHeads, deriveLayerTypes(typeOf)],
  parameters: [
    ...textParameters,
    generic.vocabularySize,
    derived(
      "~.attention.sliding_window",
      (config) => {
        const window = config.count("sliding_window");
        return window === undefined ? undefined : u32(window);
      },
      generic.slidingWindow.toHf,
    ),
    {
      ...pattern,
      toGguf: (config, context) =>
        config.count("sliding_window") === undefined
          ? undefined
          : (pattern.toGguf(config, context) ?? boolArray([])),
    },
  ],
  extraTensors: [llama3RopeFactors],
  tensors: [
    ...decoderEnds,
    same("model.layers.{layer}.post_attention_layernorm.weight", "blk.{layer}.post_attention_norm.weight"),
    same("model.layers.{layer}.post_feedforward_layernorm.weight", "blk.{layer}.post_ffw_norm.weight"),
    ...attention(false),
    ...headNorms,
    ...gatedFeedForward,
  ],
  tokenizer: byteBpe,
  finishConfig(draft) {
    if (draft.parameter("~.attention.sliding_window") === undefined) {
      const layers = numberOf(draft.parameter("~.block_count")) ?? 0;
      draft.values.set("sliding_window", null);
      draft.values.set("sliding_window_pattern", null);
      draft.values.set("layer_types", new Array<string>(layers).fill("full_attention"));
    }
  },
};
