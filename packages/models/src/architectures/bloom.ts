/** BLOOM: ALiBi, a norm after the embedding, q, k, v of each head together (llama.cpp, conversion/bloom.py and models/bloom.cpp). */
import type { Config } from "../config.ts";
import { numberOf, u32 } from "../metadata-values.ts";
import type { RowOrder } from "../row-order.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture, TensorContext } from "./architecture.ts";
import { count, derived, generic } from "./parameters.ts";
import { mapped, same } from "./tensors.ts";

const layer = "transformer.h.{layer}";

const headCount = (config: Config): number => config.need("n_head", "num_attention_heads");
const width = (config: Config): number => config.need("hidden_size", "n_embed");

/** `[heads, 3, length of a head]` ↔ `[3, heads, length of a head]`. */
function reordered(viewOf: (heads: number) => readonly number[]) {
  return ({ config, suffix }: TensorContext): { rowLength?: number; rowOrder: RowOrder } => {
    const heads = headCount(config);
    return {
      ...(suffix === ".bias" ? { rowLength: 1 } : {}),
      rowOrder: { kind: "view", view: [...viewOf(heads), width(config) / heads], axes: [1, 0, 2] },
    };
  };
}

export const bloom: Architecture = {
  name: "bloom",
  classes: ["BloomForCausalLM", "BloomModel"],
  modelType: "bloom",
  hasRope: false,
  defaults: {
    apply_residual_connection_post_layernorm: false,
    bos_token_id: 1,
    eos_token_id: 2,
    hidden_size: 64,
    layer_norm_epsilon: 1e-5,
    n_head: 8,
    n_layer: 2,
    tie_word_embeddings: true,
    vocab_size: 250880,
  },
  derive: [
    (values) => {
      if (typeof values.get("n_embed") === "number") values.set("hidden_size", values.get("n_embed") ?? null);
    },
  ],
  parameters: [
    derived(
      "~.context_length",
      (config) => u32(config.count("seq_length") ?? width(config)),
      (value, draft) => draft.values.set("seq_length", numberOf(value) ?? 2048),
    ),
    generic.embeddingLength,
    derived("~.feed_forward_length", (config) => u32(4 * width(config))),
    generic.blockCount,
    count("~.attention.head_count", ["n_head", "num_attention_heads"]),
    derived("~.attention.head_count_kv", (config) => u32(headCount(config))),
    generic.normEpsilon,
    generic.fileType,
  ],
  tensors: [
    same("transformer.word_embeddings.weight", "token_embd.weight"),
    same("transformer.word_embeddings_layernorm.*", "token_embd_norm.*"),
    same("transformer.ln_f.*", "output_norm.*"),
    same("lm_head.weight", "output.weight"),
    same(`${layer}.input_layernorm.*`, "blk.{layer}.attn_norm.*"),
    mapped(
      `${layer}.self_attention.query_key_value.*`,
      "blk.{layer}.attn_qkv.*",
      reordered((heads) => [heads, 3]),
      reordered((heads) => [3, heads]),
    ),
    same(`${layer}.self_attention.dense.*`, "blk.{layer}.attn_output.*"),
    same(`${layer}.post_attention_layernorm.*`, "blk.{layer}.ffn_norm.*"),
    same(`${layer}.mlp.dense_h_to_4h.*`, "blk.{layer}.ffn_up.*"),
    same(`${layer}.mlp.dense_4h_to_h.*`, "blk.{layer}.ffn_down.*"),
  ],
  tokenizer: byteBpe,
};
