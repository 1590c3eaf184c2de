/** GPT-NeoX and Pythia (llama.cpp, conversion/gptneox.py): q, k, v of each head are adjacent in the checkpoint. */
import { numberField } from "../json.ts";
import { bool, boolOf, f32, numberOf, u32 } from "../metadata-values.ts";
import { setRope } from "../rope.ts";
import type { RowOrder } from "../row-order.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { StoredInput } from "../weight-plan.ts";
import type { Architecture, TensorContext, TensorRule } from "./architecture.ts";
import { derived, generic } from "./parameters.ts";
import { mapped, same } from "./tensors.ts";

function grouped(view: (heads: number, length: number) => readonly number[]) {
  return (context: TensorContext): Omit<StoredInput, "tensor"> => {
    const heads = context.config.need("num_attention_heads");
    const order: RowOrder = { kind: "view", view: view(heads, context.config.headLength), axes: [1, 0, 2] };
    return { ...(context.suffix === ".bias" ? { rowLength: 1 } : {}), rowOrder: order };
  };
}

function tensorsOf(model: string, layers: string, head: string): readonly TensorRule[] {
  const layer = `${layers}.{layer}`;
  return [
    same(`${model}.embed_in.weight`, "token_embd.weight"),
    same(`${model}.final_layer_norm.*`, "output_norm.*"),
    same(`${head}.weight`, "output.weight"),
    same(`${layer}.input_layernorm.*`, "blk.{layer}.attn_norm.*"),
    same(`${layer}.post_attention_layernorm.*`, "blk.{layer}.ffn_norm.*"),
    // rows `[heads, 3, length]` ↔ `[3, heads, length]`
    mapped(
      `${layer}.attention.query_key_value.*`,
      "blk.{layer}.attn_qkv.*",
      grouped((heads, length) => [heads, 3, length]),
      grouped((heads, length) => [3, heads, length]),
    ),
    same(`${layer}.attention.dense.*`, "blk.{layer}.attn_output.*"),
    same(`${layer}.mlp.dense_h_to_4h.*`, "blk.{layer}.ffn_up.*"),
    same(`${layer}.mlp.dense_4h_to_h.*`, "blk.{layer}.ffn_down.*"),
  ];
}

export const gptNeox: Architecture = {
  name: "gptneox",
  classes: ["GPTNeoXForCausalLM"],
  modelType: "gpt_neox",
  defaults: {
    attention_bias: true,
    bos_token_id: 0,
    eos_token_id: 2,
    hidden_act: "gelu",
    hidden_size: 6144,
    intermediate_size: 24576,
    layer_norm_eps: 1e-5,
    max_position_embeddings: 2048,
    num_attention_heads: 64,
    num_hidden_layers: 44,
    pad_token_id: null,
    rope_parameters: { rope_theta: 10000, partial_rotary_factor: 0.25, rope_type: "default" },
    rotary_emb_base: 10000,
    tie_word_embeddings: false,
    use_parallel_residual: true,
    vocab_size: 50432,
  },
  parameters: [
    generic.contextLength,
    generic.embeddingLength,
    generic.blockCount,
    generic.feedForwardLength,
    derived(
      "~.rope.dimension_count",
      (config) => {
        const factor =
          config.number("rotary_pct") ?? numberField(config.rope(), "partial_rotary_factor") ?? 0.25;
        return u32(Math.trunc(factor * config.headLength));
      },
      (value, draft) => {
        const hidden = numberOf(draft.parameter("~.embedding_length")) ?? 0;
        const heads = numberOf(draft.parameter("~.attention.head_count")) ?? 1;
        const factor = (numberOf(value) ?? 0) / Math.floor(hidden / heads);
        draft.values.set("rotary_pct", factor);
        setRope(draft, "partial_rotary_factor", factor);
      },
    ),
    generic.headCount,
    derived(
      "~.use_parallel_residual",
      (config) => bool(config.flag("use_parallel_residual") ?? true),
      (value, draft) => draft.values.set("use_parallel_residual", boolOf(value) ?? true),
    ),
    derived(
      "~.attention.layer_norm_epsilon",
      (config) => f32(config.number("layer_norm_eps") ?? 1e-5),
      generic.normEpsilon.toHf,
    ),
  ],
  tensors: tensorsOf("gpt_neox", "gpt_neox.layers", "embed_out"),
  mlxTensors: tensorsOf("model", "model.h", "model.embed_out"),
  tokenizer: byteBpe,
  // llama.cpp, src/models/gptneox.cpp
  decoder: {
    norm: "layer",
    parts: ["attn_norm", "ffn_norm"],
    positions: "halves",
    activation: "gelu",
    gate: "none",
    parallelKey: "~.use_parallel_residual",
  },
};
