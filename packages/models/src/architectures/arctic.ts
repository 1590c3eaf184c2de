/** Snowflake Arctic: a dense feed-forward beside each layer's experts (llama.cpp, conversion/arctic.py and models/arctic.cpp). */
import type { Architecture } from "./architecture.ts";
import { numberedExperts } from "./expert-tensors.ts";
import { deriveKeyValueHeads, generic, textParameters, wholeHeadRope } from "./parameters.ts";
import { attention, decoderEnds, same } from "./tensors.ts";

const layer = "model.layers.{layer}";

export const arctic: Architecture = {
  name: "arctic",
  classes: ["ArcticForCausalLM"],
  modelType: "arctic",
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  derive: [deriveKeyValueHeads],
  parameters: [...textParameters, generic.vocabularySize, wholeHeadRope],
  tensors: [
    ...decoderEnds,
    same(`${layer}.input_layernorm.weight`, "blk.{layer}.attn_norm.weight"),
    ...attention(true),
    same(`${layer}.residual_layernorm.weight`, "blk.{layer}.ffn_norm.weight"),
    same(`${layer}.residual_mlp.w1.weight`, "blk.{layer}.ffn_gate.weight"),
    same(`${layer}.residual_mlp.w2.weight`, "blk.{layer}.ffn_down.weight"),
    same(`${layer}.residual_mlp.w3.weight`, "blk.{layer}.ffn_up.weight"),
    same(`${layer}.post_attention_layernorm.weight`, "blk.{layer}.ffn_norm_exps.weight"),
    same(`${layer}.block_sparse_moe.gate.weight`, "blk.{layer}.ffn_gate_inp.weight"),
    numberedExperts(`${layer}.block_sparse_moe.experts`),
  ],
  tokenizer: { kinds: ["sentencepiece"], json: "llama", addedTokens: "redefined" },
  finishConfig({ values }) {
    values.set("use_residual", true);
    values.set("parallel_attn_mlp_res", true);
    values.set("moe_layer_frequency", 1);
    values.set("auto_map", {
      AutoConfig: "Snowflake/snowflake-arctic-instruct--configuration_arctic.ArcticConfig",
      AutoModelForCausalLM: "Snowflake/snowflake-arctic-instruct--modeling_arctic.ArcticForCausalLM",
    });
  },
};
