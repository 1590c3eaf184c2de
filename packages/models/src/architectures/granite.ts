/** Granite 3, dense and mixture: Llama with four multipliers (llama.cpp, conversion/granite.py). */
import { f32 } from "../metadata-values.ts";
import type { Architecture, ParameterRule } from "./architecture.ts";
import { llamaDecoder } from "./decoder.ts";
import { llama, llamaParameters } from "./llama.ts";
import { deriveKeyValueHeads, real } from "./parameters.ts";
import { attention, decoderEnds, layerNorms, same, splitEvenly, stackedProjections } from "./tensors.ts";

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

const multipliers = {
  attention_multiplier: 1,
  embedding_multiplier: 1,
  logits_scaling: 1,
  residual_multiplier: 1,
};

const parameters: readonly ParameterRule[] = [
  ...llamaParameters,
  multiplier("~.attention.scale", "attention_multiplier"),
  multiplier("~.embedding_scale", "embedding_multiplier"),
  multiplier("~.residual_scale", "residual_multiplier"),
  multiplier("~.logit_scale", "logits_scaling"),
];

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
  parameters,
};

export const graniteMoe: Architecture = {
  ...granite,
  name: "granitemoe",
  classes: ["GraniteMoeForCausalLM"],
  modelType: "granitemoe",
  defaults: { ...llama.defaults, ...multipliers, num_experts_per_tok: 2, num_local_experts: 8 },
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    ...attention(true),
    splitEvenly("model.layers.{layer}.block_sparse_moe.input_linear.weight", [
      "blk.{layer}.ffn_gate_exps.weight",
      "blk.{layer}.ffn_up_exps.weight",
    ]),
    same("model.layers.{layer}.block_sparse_moe.output_linear.weight", "blk.{layer}.ffn_down_exps.weight"),
    same("model.layers.{layer}.block_sparse_moe.router.layer.weight", "blk.{layer}.ffn_gate_inp.weight"),
  ],
  mlxTensors: stackedProjections("model.layers.{layer}.block_sparse_moe.switch_mlp", ".weight"),
};
