/** Granite 3, dense and mixture: Llama with four multipliers (llama.cpp, conversion/granite.py). */
import type { Config } from "../config.ts";
import { f32, numberOf, u32 } from "../metadata-values.ts";
import type { Architecture, ParameterRule, TensorRule } from "./architecture.ts";
import { llamaDecoder } from "./decoder.ts";
import { llama, llamaParameters } from "./llama.ts";
import { derived, deriveKeyValueHeads, real } from "./parameters.ts";
import { splitEvenly } from "./split-tensors.ts";
import { attention, decoderEnds, layerNorms, same, stackedProjections } from "./tensors.ts";

/** A multiplier, written when the config has it and it is not zero. */
function multiplier(key: string, name: string): ParameterRule {
  return {
    ...real(key, [name]),
    toGguf(config) {
      const value = config.number(name);
      return value === undefined || value === 0 ? undefined : f32(value);
    },
  };
}

export const multipliers = {
  attention_multiplier: 1,
  embedding_multiplier: 1,
  logits_scaling: 1,
  residual_multiplier: 1,
};

export const graniteParameters: readonly ParameterRule[] = [
  ...llamaParameters,
  multiplier("~.attention.scale", "attention_multiplier"),
  multiplier("~.embedding_scale", "embedding_multiplier"),
  multiplier("~.residual_scale", "residual_multiplier"),
  multiplier("~.logit_scale", "logits_scaling"),
];

/** The width of the shared feed-forward, written where there is one. */
export const sharedLength: ParameterRule = derived(
  "~.expert_shared_feed_forward_length",
  (config) => {
    const length = config.count("shared_intermediate_size") ?? 0;
    return length === 0 ? undefined : u32(length);
  },
  (value, draft) => draft.values.set("shared_intermediate_size", numberOf(value) ?? 0),
);

export const granite: Architecture = {
  ...llama,
  name: "granite",
  classes: ["GraniteForCausalLM"],
  modelType: "granite",
  defaults: { ...llama.defaults, ...multipliers },
  // llama.cpp, src/models/granite.cpp
  decoder: { ...llamaDecoder, experts: { normalized: true }, multipliers: true, rotationKey: true },
  // the class has no head_dim, so no key_length is written
  derive: [deriveKeyValueHeads, (values) => values.delete("head_dim")],
  parameters: graniteParameters,
};

/** Experts whose gates and up projections are fused. */
export const graniteExperts: readonly TensorRule[] = [
  splitEvenly("model.layers.{layer}.block_sparse_moe.input_linear.weight", [
    "blk.{layer}.ffn_gate_exps.weight",
    "blk.{layer}.ffn_up_exps.weight",
  ]),
  same("model.layers.{layer}.block_sparse_moe.output_linear.weight", "blk.{layer}.ffn_down_exps.weight"),
  same("model.layers.{layer}.block_sparse_moe.router.layer.weight", "blk.{layer}.ffn_gate_inp.weight"),
];

const hasExperts = (config: Config): boolean => (config.count("num_local_experts") ?? 0) > 0;

/** The feed-forward of every token: beside experts a shared expert, else the only one. */
function sharedFeedForward(suffix: "" | "_shexp"): readonly TensorRule[] {
  const when = (config: Config): boolean => hasExperts(config) === (suffix !== "");
  return [
    {
      ...splitEvenly("model.layers.{layer}.shared_mlp.input_linear.weight", [
        `blk.{layer}.ffn_gate${suffix}.weight`,
        `blk.{layer}.ffn_up${suffix}.weight`,
      ]),
      when,
    },
    {
      ...same("model.layers.{layer}.shared_mlp.output_linear.weight", `blk.{layer}.ffn_down${suffix}.weight`),
      when,
    },
  ];
}

export const graniteSharedMlp: readonly TensorRule[] = [
  ...sharedFeedForward("_shexp"),
  ...sharedFeedForward(""),
];

export const graniteMoe: Architecture = {
  ...granite,
  name: "granitemoe",
  classes: ["GraniteMoeForCausalLM"],
  modelType: "granitemoe",
  defaults: { ...llama.defaults, ...multipliers, num_experts_per_tok: 2, num_local_experts: 8 },
  tensors: [...decoderEnds, ...layerNorms, ...attention(true), ...graniteExperts],
  mlxTensors: stackedProjections("model.layers.{layer}.block_sparse_moe.switch_mlp", ".weight"),
};

export const graniteMoeShared: Architecture = {
  ...graniteMoe,
  classes: ["GraniteMoeSharedForCausalLM"],
  modelType: "granitemoeshared",
  defaults: { ...graniteMoe.defaults, shared_intermediate_size: 0 },
  parameters: [...graniteParameters, sharedLength],
  tensors: [...graniteMoe.tensors, ...graniteSharedMlp],
  decoder: undefined,
  recognises: (metadata) => metadata.has("granitemoe.expert_shared_feed_forward_length"),
};
