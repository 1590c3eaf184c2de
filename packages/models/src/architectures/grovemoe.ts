/** GroveMoE: smaller experts beside the experts, each shared by a group of two (llama.cpp, conversion/grovemoe.py). */
import { f32, numberOf, u32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { expertLayers } from "./expert-tensors.ts";
import { derived, fixed, generic, textParameters } from "./parameters.ts";
import { routedExperts, stackedExperts } from "./tensors.ts";

const chunks = "model.layers.{layer}.mlp.chunk_experts.{expert}";

export const grovemoe: Architecture = {
  name: "grovemoe",
  classes: ["GroveMoeForCausalLM", "modeling_grove_moe.GroveMoeForCausalLM"],
  modelType: "grove_moe",
  // transformers has no class for it
  defaults: {},
  parameters: [
    ...textParameters,
    generic.expertFeedForwardLength,
    // not the width of the smaller experts, but what the converter writes for it
    derived("~.expert_chunk_feed_forward_length", (config) => u32(config.count("head_dim") || 128)),
    fixed("~.experts_per_group", u32(2)),
    fixed("~.expert_group_scale", f32(0.05)),
  ],
  tensors: [
    ...expertLayers,
    stackedExperts(
      ["down", "gate", "up"].map((part) => [
        `${chunks}.${part}_proj.weight`,
        `blk.{layer}.ffn_${part}_chexps.weight`,
      ]),
      (config) => Math.floor(routedExperts(config) / 2),
    ),
  ],
  leftOut: [{ pattern: /\.mlp\.expert_bias$/, reason: "the model's own code does not use it" }],
  tokenizer: byteBpe,
  finishConfig({ values, parameter, shapeOf }) {
    const experts = numberOf(parameter("~.expert_count")) ?? 0;
    values.delete("num_local_experts");
    values.set("num_experts", experts);
    values.set("num_small_experts", Math.floor(experts / 2));
    values.set("parallel_expert_intermediate_size", shapeOf("blk.0.ffn_gate_chexps.weight")?.[1] ?? null);
    values.set("parallel_expert_lambda", 0.05);
    values.set("norm_topk_prob", true);
    values.set("hidden_act", "silu");
  },
};
