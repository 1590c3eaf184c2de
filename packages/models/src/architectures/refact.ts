/** Refact: one key-value head, ALiBi in place of positions (llama.cpp, conversion/refact.py). */
import type { Config } from "../config.ts";
import { u32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { count, derived, fixed, generic, real } from "./parameters.ts";
import { splitEvenly } from "./split-tensors.ts";
import { same } from "./tensors.ts";

const layer = "transformer.h.{layer}";

/** Two thirds of four times the width, up to the next multiple of 256. */
function feedForwardLength(config: Config): number {
  const length = Math.trunc((2 * 4 * config.need("n_embd")) / 3);
  return 256 * Math.ceil(length / 256);
}

export const refact: Architecture = {
  name: "refact",
  classes: ["GPTRefactForCausalLM"],
  modelType: "gpt_refact",
  // transformers has no class for it
  defaults: {},
  hasRope: false,
  parameters: [
    count("~.context_length", ["n_positions"]),
    count("~.embedding_length", ["n_embd"]),
    derived("~.feed_forward_length", (config) => u32(feedForwardLength(config))),
    count("~.block_count", ["n_layer"]),
    count("~.attention.head_count", ["n_head"]),
    fixed("~.attention.head_count_kv", u32(1)),
    real("~.attention.layer_norm_rms_epsilon", ["layer_norm_epsilon"]),
    generic.fileType,
  ],
  tensors: [
    same("transformer.wte.weight", "token_embd.weight"),
    same("transformer.ln_f.weight", "output_norm.weight"),
    same("lm_head.weight", "output.weight"),
    same(`${layer}.ln_1.weight`, "blk.{layer}.attn_norm.weight"),
    same(`${layer}.ln_2.weight`, "blk.{layer}.ffn_norm.weight"),
    same(`${layer}.attn.q.weight`, "blk.{layer}.attn_q.weight"),
    splitEvenly(`${layer}.attn.kv.weight`, ["blk.{layer}.attn_k.weight", "blk.{layer}.attn_v.weight"]),
    same(`${layer}.attn.c_proj.weight`, "blk.{layer}.attn_output.weight"),
    splitEvenly(`${layer}.mlp.gate_up_proj.weight`, [
      "blk.{layer}.ffn_gate.weight",
      "blk.{layer}.ffn_up.weight",
    ]),
    same(`${layer}.mlp.c_proj.weight`, "blk.{layer}.ffn_down.weight"),
  ],
  tokenizer: byteBpe,
  finishConfig({ values }) {
    values.set("activation_function", "silu");
    values.set("multi_query", true);
  },
};
