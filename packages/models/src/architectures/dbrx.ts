/** DBRX: fused q, k, v that are clamped, experts one below the other in a matrix (llama.cpp, conversion/dbrx.py and models/dbrx.cpp). */
import type { Config } from "../config.ts";
import { f32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { expertMatrix } from "./fused-experts.ts";
import { groupCount, groupReal, groupValue } from "./group-parameters.ts";
import { count, fixed, generic } from "./parameters.ts";
import { same } from "./tensors.ts";

const layer = "transformer.blocks.{layer}";
const experts = `${layer}.ffn.experts.mlp`;

function expertCount(config: Config): number {
  const value = groupValue(config, "ffn_config", "moe_num_experts");
  return typeof value === "number" ? value : config.need("moe_num_experts");
}

export const dbrx: Architecture = {
  name: "dbrx",
  classes: ["DbrxForCausalLM"],
  modelType: "dbrx",
  hasRope: false,
  defaults: {
    d_model: 2048,
    max_seq_len: 2048,
    n_heads: 16,
    n_layers: 24,
    tie_word_embeddings: false,
    vocab_size: 32000,
  },
  parameters: [
    count("~.block_count", ["n_layers"]),
    count("~.context_length", ["max_seq_len"]),
    count("~.embedding_length", ["d_model"]),
    groupCount("~.feed_forward_length", "ffn_config", "ffn_hidden_size"),
    count("~.attention.head_count", ["n_heads"]),
    groupCount("~.attention.head_count_kv", "attn_config", "kv_n_heads"),
    groupReal("~.rope.freq_base", "attn_config", "rope_theta"),
    groupReal("~.attention.clamp_kqv", "attn_config", "clip_qkv"),
    groupCount("~.expert_count", "ffn_config", "moe_num_experts"),
    groupCount("~.expert_used_count", "ffn_config", "moe_top_k"),
    fixed("~.attention.layer_norm_epsilon", f32(1e-5)),
    generic.fileType,
  ],
  tensors: [
    same("transformer.wte.weight", "token_embd.weight"),
    same("transformer.norm_f.weight", "output_norm.weight"),
    same("lm_head.weight", "output.weight"),
    same(`${layer}.norm_attn_norm.norm_1.weight`, "blk.{layer}.attn_norm.weight"),
    same(`${layer}.norm_attn_norm.attn.Wqkv.weight`, "blk.{layer}.attn_qkv.weight"),
    same(`${layer}.norm_attn_norm.attn.out_proj.weight`, "blk.{layer}.attn_output.weight"),
    same(`${layer}.norm_attn_norm.norm_2.weight`, "blk.{layer}.attn_output_norm.weight"),
    { ...same(`${layer}.ffn.router.layer.weight`, "blk.{layer}.ffn_gate_inp.weight"), takesType: true },
    expertMatrix(`${experts}.v1`, "blk.{layer}.ffn_up_exps.weight", expertCount),
    expertMatrix(`${experts}.w1`, "blk.{layer}.ffn_gate_exps.weight", expertCount),
    expertMatrix(`${experts}.w2`, "blk.{layer}.ffn_down_exps.weight", expertCount, "transposed"),
  ],
  tokenizer: byteBpe,
};
