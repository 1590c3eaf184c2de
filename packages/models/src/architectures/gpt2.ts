/** GPT-2 (llama.cpp, conversion/gpt2.py): transposed matrices, fused q k v, learned positions. */
import { u32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture, LeftOutRule, TensorRule } from "./architecture.ts";
import { count, derived, generic } from "./parameters.ts";
import { same, transposed } from "./tensors.ts";

/** What a layer of GPT-2's code stores beside its weights. */
export const causalMask: LeftOutRule = {
  pattern: /\.attn\.(?:bias|masked_bias)$/,
  reason: "a causal mask: computed, not a weight",
};

function tensorsOf(model: string, head: string, matrix: typeof same): readonly TensorRule[] {
  const layer = `${model}.h.{layer}`;
  return [
    same(`${model}.wte.weight`, "token_embd.weight"),
    same(`${model}.wpe.weight`, "position_embd.weight"),
    same(`${model}.ln_f.*`, "output_norm.*"),
    same(`${head}.weight`, "output.weight"),
    same(`${layer}.ln_1.*`, "blk.{layer}.attn_norm.*"),
    same(`${layer}.ln_2.*`, "blk.{layer}.ffn_norm.*"),
    matrix(`${layer}.attn.c_attn.*`, "blk.{layer}.attn_qkv.*"),
    matrix(`${layer}.attn.c_proj.*`, "blk.{layer}.attn_output.*"),
    matrix(`${layer}.mlp.c_fc.*`, "blk.{layer}.ffn_up.*"),
    matrix(`${layer}.mlp.c_proj.*`, "blk.{layer}.ffn_down.*"),
  ];
}

export const gpt2: Architecture = {
  name: "gpt2",
  classes: ["GPT2LMHeadModel"],
  modelType: "gpt2",
  hasRope: false,
  defaults: {
    activation_function: "gelu_new",
    bos_token_id: 50256,
    eos_token_id: 50256,
    layer_norm_epsilon: 1e-5,
    n_embd: 768,
    n_head: 12,
    n_inner: null,
    n_layer: 12,
    n_positions: 1024,
    pad_token_id: null,
    scale_attn_by_inverse_layer_idx: false,
    scale_attn_weights: true,
    tie_word_embeddings: true,
    vocab_size: 50257,
  },
  parameters: [
    count("~.block_count", ["n_layer"]),
    {
      ...count("~.context_length", ["n_ctx", "n_positions"]),
      toHf(value, draft) {
        draft.values.set("n_ctx", Number(value.value));
        draft.values.set("n_positions", Number(value.value));
      },
    },
    count("~.embedding_length", ["n_embd"]),
    // four times the embedding, whatever the config says
    derived("~.feed_forward_length", (config) => u32(4 * config.need("n_embd"))),
    count("~.attention.head_count", ["n_head"]),
    generic.normEpsilon,
    generic.fileType,
  ],
  tensors: tensorsOf("transformer", "lm_head", transposed),
  // mlx-lm stores the matrices as all other families do
  mlxTensors: tensorsOf("model", "model.lm_head", same),
  leftOut: [causalMask],
  tokenizer: byteBpe,
  // llama.cpp, src/models/gpt2.cpp
  decoder: {
    norm: "layer",
    parts: ["attn_norm", "ffn_norm"],
    positions: "learned",
    activation: "gelu",
    gate: "none",
  },
};
