/**
 * PLaMo 13B: attention and feed-forward side by side behind one norm, groups of query heads that share keys in another order than
 * llama.cpp's (llama.cpp, conversion/plamo.py `PlamoModel` and models/plamo.cpp). All published models have one width.
 */
import { numberOf, u32 } from "../metadata-values.ts";
import type { RowOrder } from "../row-order.ts";
import type { Architecture } from "./architecture.ts";
import { derived, fixed, generic } from "./parameters.ts";
import { plamoLayer } from "./plamo2.ts";
import { mapped, same } from "./tensors.ts";

const attention = `${plamoLayer}.self_attn`;

/** The checkpoint's config.json counts heads that share a key (8); there are as many keys. */
const KEY_HEADS = 5;
const SHARING_HEADS = 8;
const HEAD = 128;

/** Heads that share a key follow each other in GGUF; in the checkpoint they stand `KEY_HEADS` apart. */
const together: RowOrder = { kind: "view", view: [SHARING_HEADS, KEY_HEADS, HEAD], axes: [1, 0, 2] };
const apart: RowOrder = { kind: "view", view: [KEY_HEADS, SHARING_HEADS, HEAD], axes: [1, 0, 2] };

export const plamo: Architecture = {
  name: "plamo",
  classes: ["PlamoForCausalLM"],
  modelType: "plamo",
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  hasRope: false,
  parameters: [
    derived("~.context_length", () => u32(4096)),
    generic.embeddingLength,
    generic.feedForwardLength,
    generic.blockCount,
    generic.headCount,
    fixed("~.attention.head_count_kv", u32(KEY_HEADS)),
    generic.rmsEpsilon,
    generic.fileType,
  ],
  tensors: [
    same("model.embed_tokens.weight", "token_embd.weight"),
    same("model.norm.weight", "output_norm.weight"),
    same("lm_head.weight", "output.weight"),
    same(`${plamoLayer}.norm.weight`, "blk.{layer}.attn_norm.weight"),
    mapped(
      `${attention}.q_proj.weight`,
      "blk.{layer}.attn_q.weight",
      () => ({ rowOrder: together }),
      () => ({ rowOrder: apart }),
    ),
    same(`${attention}.k_proj.weight`, "blk.{layer}.attn_k.weight"),
    same(`${attention}.v_proj.weight`, "blk.{layer}.attn_v.weight"),
    mapped(
      `${attention}.o_proj.weight`,
      "blk.{layer}.attn_output.weight",
      () => ({ columnOrder: together }),
      () => ({ columnOrder: apart }),
    ),
    ...["gate", "up", "down"].map((part) =>
      same(`${plamoLayer}.mlp.${part}_proj.weight`, `blk.{layer}.ffn_${part}.weight`),
    ),
  ],
  tokenizer: { kinds: ["sentencepiece"], json: "llama" },
  finishConfig(draft) {
    draft.values.set("n_shared_head", SHARING_HEADS);
    draft.values.set("num_key_value_heads", numberOf(draft.parameter("~.attention.head_count")) ?? 0);
    draft.values.set("max_position_embeddings", 4096);
    draft.values.set("auto_map", {
      AutoConfig: "pfnet/plamo-13b--modeling_plamo.PlamoConfig",
      AutoModelForCausalLM: "pfnet/plamo-13b--modeling_plamo.PlamoForCausalLM",
    });
  },
};
