/** Grok-1, in the names of keyfan/grok-1-hf (llama.cpp, conversion/grok.py). */
import { f32, numberOf, shortestFloat } from "../metadata-values.ts";
import { sentencePieceOrBpe } from "../tokenizer/extras.ts";
import type { Architecture, ParameterRule } from "./architecture.ts";
import { derived, generic, real, textParameters } from "./parameters.ts";
import { same, stackedExperts } from "./tensors.ts";

const layer = "transformer.decoder_layer.{layer}";

/** A number with a value for configs that lack it. */
function assumedReal(key: string, name: string, fallback: number): ParameterRule {
  return derived(
    key,
    (config) => f32(config.number(name) ?? fallback),
    (value, draft) => draft.values.set(name, shortestFloat(numberOf(value) ?? fallback)),
  );
}

export const grok: Architecture = {
  name: "grok",
  classes: ["GrokForCausalLM", "Grok1ForCausalLM"],
  modelType: "grok-1",
  // transformers has no class for it
  defaults: {},
  parameters: [
    ...textParameters,
    assumedReal("~.attn_logit_softcapping", "attn_logit_softcapping", 30),
    assumedReal("~.router_logit_softcapping", "router_logit_softcapping", 30),
    real("~.final_logit_softcapping", ["final_logit_softcapping"]),
    generic.expertFeedForwardLength,
    derived(
      "~.attention.output_scale",
      (config) => f32(config.number("attn_output_multiplier") ?? config.headLength ** -0.5),
      (value, draft) => draft.values.set("attn_output_multiplier", shortestFloat(numberOf(value) ?? 1)),
    ),
    real("~.embedding_scale", ["embedding_multiplier_scale"]),
    real("~.logit_scale", ["output_multiplier_scale"]),
  ],
  tensors: [
    same("transformer.in_out_embed.weight", "token_embd.weight"),
    same("transformer.rms_norm.weight", "output_norm.weight"),
    same("lm_head.weight", "output.weight"),
    same(`${layer}.rms_norm.weight`, "blk.{layer}.attn_norm.weight"),
    same(`${layer}.rms_norm_1.weight`, "blk.{layer}.attn_output_norm.weight"),
    same(`${layer}.rms_norm_2.weight`, "blk.{layer}.ffn_norm.weight"),
    same(`${layer}.rms_norm_3.weight`, "blk.{layer}.layer_output_norm.weight"),
    same(`${layer}.multi_head_attention.query.weight`, "blk.{layer}.attn_q.weight"),
    same(`${layer}.multi_head_attention.key.weight`, "blk.{layer}.attn_k.weight"),
    same(`${layer}.multi_head_attention.value.weight`, "blk.{layer}.attn_v.weight"),
    same(`${layer}.multi_head_attention.linear.weight`, "blk.{layer}.attn_output.weight"),
    same(`${layer}.router.weight`, "blk.{layer}.ffn_gate_inp.weight"),
    stackedExperts([
      [`${layer}.moe.{expert}.linear.weight`, "blk.{layer}.ffn_gate_exps.weight"],
      [`${layer}.moe.{expert}.linear_1.weight`, "blk.{layer}.ffn_down_exps.weight"],
      [`${layer}.moe.{expert}.linear_v.weight`, "blk.{layer}.ffn_up_exps.weight"],
    ]),
  ],
  tokenizer: sentencePieceOrBpe,
  finishConfig({ values, parameter }) {
    values.set("max_attn_value", shortestFloat(numberOf(parameter("~.attn_logit_softcapping")) ?? 30));
    values.set("hidden_act", "gelu");
  },
};
