/** SmallThinker: experts that are chosen before attention, windows in three of four layers (llama.cpp, conversion/smallthinker.py). */
import { isJsonArray } from "../json.ts";
import { numberOf, u32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture, ParameterRule } from "./architecture.ts";
import { count, derived, gatingFunctions, generic, textParameters } from "./parameters.ts";
import { attention, decoderEnds, layerNorms, same, stackedExperts } from "./tensors.ts";

const experts = "model.layers.{layer}.block_sparse_moe.experts.{expert}";

/** What the family writes from keys of its own, after the others. */
const ownKeys: readonly ParameterRule[] = [
  generic.feedForwardLength,
  generic.expertCount,
  generic.expertUsedCount,
  generic.gatingFunction,
];

export const smallthinker: Architecture = {
  name: "smallthinker",
  memory: { windows: { period: 4, whole: "first", fixed: 4096 } },
  classes: ["SmallThinkerForCausalLM"],
  modelType: "smallthinker",
  // transformers has no class for it
  defaults: {},
  parameters: [
    ...textParameters.filter((rule) => !ownKeys.includes(rule)),
    count("~.expert_count", ["moe_num_primary_experts"]),
    count("~.expert_used_count", ["moe_num_active_primary_experts"]),
    count("~.expert_feed_forward_length", ["moe_ffn_hidden_size"]),
    derived("~.feed_forward_length", (config) => {
      const length = config.count("moe_ffn_hidden_size");
      return length === undefined ? undefined : u32(length);
    }),
    derived(
      "~.expert_gating_func",
      (config) =>
        u32(
          gatingFunctions[config.flag("moe_primary_router_apply_softmax") === true ? "softmax" : "sigmoid"],
        ),
      (value, draft) =>
        draft.values.set("moe_primary_router_apply_softmax", numberOf(value) === gatingFunctions.softmax),
    ),
    derived(
      "~.attention.sliding_window",
      (config) => {
        const layout = config.get("sliding_window_layout");
        const window = config.count("sliding_window_size");
        const slides = layout !== undefined && isJsonArray(layout) && layout.some((one) => one !== 0);
        return slides && window !== undefined && window > 0 ? u32(window) : undefined;
      },
      (value, draft) => draft.values.set("sliding_window_size", numberOf(value) ?? 0),
    ),
  ],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    ...attention(false),
    stackedExperts(
      ["down", "gate", "up"].map((part) => [
        `${experts}.${part}.weight`,
        `blk.{layer}.ffn_${part}_exps.weight`,
      ]),
      (config) => config.need("moe_num_primary_experts"),
    ),
    same("model.layers.{layer}.block_sparse_moe.primary_router.weight", "blk.{layer}.ffn_gate_inp.weight"),
  ],
  tokenizer: byteBpe,
  finishConfig(draft) {
    const { values } = draft;
    const layers = numberOf(draft.parameter("~.block_count")) ?? 0;
    const slides = draft.parameter("~.attention.sliding_window") !== undefined;
    // llama.cpp, src/models/smallthinker.cpp: with windows, every fourth layer is full and not rotated, from the first on
    const layout = Array.from({ length: layers }, (_, layer) => (slides && layer % 4 !== 0 ? 1 : 0));
    values.set("sliding_window_layout", layout);
    const rotated = slides ? layout : layout.map(() => 1);
    values.set("rope_layout", rotated);
    draft.assume("rope_layout", rotated, "a GGUF does not hold it; what llama.cpp computes with is taken");
    values.set(
      "moe_layer_layout",
      layout.map(() => 1),
    );
    values.set("moe_enable_early_router", true);
    values.set("norm_topk_prob", true);
  },
};
