/** EXAONE 3 and 3.5: Llama's layers under names like GPT-2's (llama.cpp, conversion/exaone.py and models/exaone.cpp). */
import { numberField } from "../json.ts";
import { llama3RopeFactors } from "../rope-factors.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { deriveKeyValueHeads, partialRope, textParameters } from "./parameters.ts";
import { same } from "./tensors.ts";

const layer = "transformer.h.{layer}";

export const exaone3: Architecture = {
  name: "exaone",
  classes: ["ExaoneForCausalLM"],
  modelType: "exaone",
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  spellings: ["num_layers", "layer_norm_epsilon"],
  derive: [deriveKeyValueHeads],
  parameters: [
    ...textParameters,
    partialRope((config) => {
      const head = Math.floor(config.need("hidden_size") / config.need("num_attention_heads"));
      return Math.trunc((numberField(config.rope(), "partial_rotary_factor") ?? 1) * head);
    }),
  ],
  extraTensors: [llama3RopeFactors],
  tensors: [
    same("transformer.wte.weight", "token_embd.weight"),
    same("transformer.ln_f.weight", "output_norm.weight"),
    same("lm_head.weight", "output.weight"),
    same(`${layer}.ln_1.weight`, "blk.{layer}.attn_norm.weight"),
    same(`${layer}.attn.attention.q_proj.*`, "blk.{layer}.attn_q.*"),
    same(`${layer}.attn.attention.k_proj.*`, "blk.{layer}.attn_k.*"),
    same(`${layer}.attn.attention.v_proj.*`, "blk.{layer}.attn_v.*"),
    same(`${layer}.attn.attention.out_proj.*`, "blk.{layer}.attn_output.*"),
    same(`${layer}.ln_2.weight`, "blk.{layer}.ffn_norm.weight"),
    same(`${layer}.mlp.c_fc_0.*`, "blk.{layer}.ffn_gate.*"),
    same(`${layer}.mlp.c_fc_1.*`, "blk.{layer}.ffn_up.*"),
    same(`${layer}.mlp.c_proj.*`, "blk.{layer}.ffn_down.*"),
  ],
  tokenizer: byteBpe,
  finishConfig({ values }) {
    values.set("activation_function", "silu");
    values.set("auto_map", {
      AutoConfig: "LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct--configuration_exaone.ExaoneConfig",
      AutoModelForCausalLM: "LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct--modeling_exaone.ExaoneForCausalLM",
    });
  },
};
