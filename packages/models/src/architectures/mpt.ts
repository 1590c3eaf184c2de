/** MPT: ALiBi or learned positions, fused q, k, v, no biases (llama.cpp, conversion/mpt.py and models/mpt.cpp). */
import { isJsonObject } from "../json.ts";
import { f32, numberOf, shortestFloat, u32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { groupCount, groupReal, groupValue, setInGroup } from "./group-parameters.ts";
import { count, derived, fixed } from "./parameters.ts";
import { same } from "./tensors.ts";

const layer = "transformer.blocks.{layer}";

export const mpt: Architecture = {
  name: "mpt",
  classes: ["MPTForCausalLM", "MptForCausalLM"],
  modelType: "mpt",
  hasRope: false,
  defaults: {
    d_model: 2048,
    expansion_ratio: 4,
    learned_pos_emb: true,
    max_seq_len: 2048,
    n_heads: 16,
    n_layers: 24,
    no_bias: true,
    vocab_size: 50368,
  },
  derive: [
    (values) => {
      const given = values.get("attn_config");
      const defaults = { alibi: true, alibi_bias_max: 8, clip_qkv: null };
      values.set("attn_config", { ...defaults, ...(isJsonObject(given) ? given : {}) });
    },
  ],
  parameters: [
    count("~.context_length", ["max_seq_len"]),
    count("~.embedding_length", ["d_model"]),
    count("~.block_count", ["n_layers"]),
    derived("~.feed_forward_length", (config) => u32(4 * config.need("d_model"))),
    count("~.attention.head_count", ["n_heads"]),
    groupCount("~.attention.head_count_kv", "attn_config", "kv_n_heads"),
    fixed("~.attention.layer_norm_epsilon", f32(1e-5)),
    groupReal("~.attention.clamp_kqv", "attn_config", "clip_qkv"),
    derived(
      "~.attention.max_alibi_bias",
      (config) => {
        const largest = groupValue(config, "attn_config", "alibi_bias_max");
        const isAlibi = groupValue(config, "attn_config", "alibi") === true;
        return f32(isAlibi && typeof largest === "number" ? largest : 0);
      },
      (value, draft) => {
        const largest = shortestFloat(numberOf(value) ?? 0);
        setInGroup(draft, "attn_config", "alibi", largest > 0);
        if (largest > 0) setInGroup(draft, "attn_config", "alibi_bias_max", largest);
      },
    ),
  ],
  tensors: [
    same("transformer.wte.weight", "token_embd.weight"),
    same("transformer.wpe.weight", "position_embd.weight"),
    same("transformer.norm_f.*", "output_norm.*"),
    same("lm_head.weight", "output.weight"),
    same(`${layer}.norm_1.*`, "blk.{layer}.attn_norm.*"),
    same(`${layer}.attn.Wqkv.*`, "blk.{layer}.attn_qkv.*"),
    same(`${layer}.attn.q_ln.*`, "blk.{layer}.attn_q_norm.*"),
    same(`${layer}.attn.k_ln.*`, "blk.{layer}.attn_k_norm.*"),
    same(`${layer}.attn.out_proj.*`, "blk.{layer}.attn_output.*"),
    same(`${layer}.norm_2.*`, "blk.{layer}.ffn_norm.*"),
    same(`${layer}.ffn.up_proj.*`, "blk.{layer}.ffn_up.*"),
    same(`${layer}.ffn.down_proj.*`, "blk.{layer}.ffn_down.*"),
  ],
  tokenizer: byteBpe,
  finishConfig(draft) {
    if (draft.parameter("~.attention.clamp_kqv") === undefined)
      setInGroup(draft, "attn_config", "clip_qkv", null);
    if (draft.ggufNames.has("blk.0.attn_q_norm.weight")) setInGroup(draft, "attn_config", "qk_ln", true);
    draft.values.set("no_bias", !draft.ggufNames.has("blk.0.attn_qkv.bias"));
  },
};
