/** Falcon with rotary positions: 7B with one key head, 40B and later with groups (llama.cpp, conversion/falcon.py and models/falcon.cpp). */
import type { Config } from "../config.ts";
import { numberOf, string, u32 } from "../metadata-values.ts";
import type { RowOrder } from "../row-order.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { WeightInput } from "../weight-plan.ts";
import type { Architecture, TensorContext, TensorRule } from "./architecture.ts";
import { count, derived, fixed, generic } from "./parameters.ts";
import { viewed } from "./split-tensors.ts";
import { same } from "./tensors.ts";

const layer = "transformer.h.{layer}";

interface Groups {
  readonly groups: number;
  /** Query heads of a group. */
  readonly queries: number;
  readonly head: number;
}

/**
 * One group for all queries, or as many as config.json says. transformers' class fills the number of heads in where config.json
 * says nothing, and reads it for the newer layers alone (modeling_falcon.py, new_decoder_architecture).
 */
function groupCountOf(config: Config): number {
  const heads = config.count("num_attention_heads", "n_head");
  const stated = config.count("num_kv_heads", "n_head_kv") ?? 1;
  const isFilledIn = config.flag("multi_query") === true && stated === heads;
  return isFilledIn && config.flag("new_decoder_architecture") !== true ? 1 : stated;
}

function groupsOf({ config }: TensorContext): Groups {
  const heads = config.need("num_attention_heads", "n_head");
  const groups = groupCountOf(config);
  return { groups, queries: heads / groups, head: config.need("hidden_size") / heads };
}

/** The rows of one group in a tensor of all q, all k and all v. */
function groupInputs(tensor: string, context: TensorContext, group: number): readonly WeightInput[] {
  const { groups, queries, head } = groupsOf(context);
  const total = groups * (queries + 2) * head;
  const keys = groups * queries * head;
  const ranges = [
    [group * queries * head, (group + 1) * queries * head],
    [keys + group * head, keys + (group + 1) * head],
    [keys + (groups + group) * head, keys + (groups + group + 1) * head],
  ] as const;
  return ranges.map((range) => ({
    tensor,
    ...(context.suffix === ".bias" ? { rowLength: 1 } : {}),
    rowOrder: { kind: "view", view: [total], ranges: [range] },
  }));
}

/** The rows of each group (its queries, a key, a value) become all q, all k, all v. */
const queryKeyValue: TensorRule = viewed(
  `${layer}.self_attention.query_key_value.*`,
  [
    {
      gguf: "blk.{layer}.attn_qkv.*",
      orders: (context) => {
        const { groups, queries, head } = groupsOf(context);
        const parts = [
          [0, queries],
          [queries, queries + 1],
          [queries + 1, queries + 2],
        ] as const;
        return parts.map(
          (part): RowOrder => ({
            kind: "view",
            view: [groups, queries + 2, head],
            ranges: [null, part, null],
          }),
        );
      },
    },
  ],
  ([name = ""], context) =>
    Array.from({ length: groupsOf(context).groups }, (_, group) => groupInputs(name, context, group)).flat(),
);

export const falcon: Architecture = {
  name: "falcon",
  classes: ["FalconForCausalLM", "RWForCausalLM"],
  modelType: "falcon",
  // a GGUF says nothing of the rotation, which is the same in all models that llama.cpp runs
  hasRope: false,
  defaults: {
    activation: "gelu",
    alibi: false,
    bias: false,
    bos_token_id: 11,
    eos_token_id: 11,
    hidden_size: 4544,
    layer_norm_epsilon: 1e-5,
    multi_query: true,
    new_decoder_architecture: false,
    num_attention_heads: 71,
    num_hidden_layers: 32,
    parallel_attn: true,
    tie_word_embeddings: true,
    vocab_size: 65024,
  },
  parameters: [
    fixed("~.context_length", u32(2048)),
    fixed("~.tensor_data_layout", string("jploski")),
    generic.embeddingLength,
    derived("~.feed_forward_length", (config) => u32(4 * config.need("hidden_size"))),
    generic.blockCount,
    generic.headCount,
    {
      ...count("~.attention.head_count_kv", ["num_kv_heads", "n_head_kv"]),
      toGguf: (config) => u32(groupCountOf(config)),
    },
    generic.normEpsilon,
    generic.fileType,
  ],
  names: {
    toRules: (name) => name.replace(/^transformer\.(h\.\d+)\.ln_mlp\./, "transformer.$1.input_layernorm."),
    fromRules: (name, config) =>
      config.flag("new_decoder_architecture") === true && config.count("num_ln_in_parallel_attn") !== 1
        ? name.replace(".input_layernorm.", ".ln_mlp.")
        : name,
  },
  tensors: [
    same("transformer.word_embeddings.weight", "token_embd.weight"),
    same("transformer.ln_f.*", "output_norm.*"),
    same("lm_head.weight", "output.weight"),
    same(`${layer}.input_layernorm.*`, "blk.{layer}.attn_norm.*"),
    same(`${layer}.ln_attn.*`, "blk.{layer}.attn_norm_2.*"),
    queryKeyValue,
    same(`${layer}.self_attention.dense.*`, "blk.{layer}.attn_output.*"),
    same(`${layer}.mlp.dense_h_to_4h.*`, "blk.{layer}.ffn_up.*"),
    same(`${layer}.mlp.dense_4h_to_h.*`, "blk.{layer}.ffn_down.*"),
  ],
  tokenizer: byteBpe,
  finishConfig(draft) {
    const { values, ggufNames } = draft;
    const groups = numberOf(draft.parameter("~.attention.head_count_kv")) ?? 1;
    const hasTwoNorms = ggufNames.has("blk.0.attn_norm_2.weight");
    const isNew = hasTwoNorms || groups > 1;
    values.set("new_decoder_architecture", isNew);
    // the class takes a missing number for the number of all heads, and ignores it in the older layout
    if (isNew) values.set("num_ln_in_parallel_attn", hasTwoNorms ? 2 : 1);
    values.set("multi_query", true);
    values.set("bias", ggufNames.has("blk.0.attn_qkv.bias"));
    values.delete("max_position_embeddings");
    values.set("rope_theta", 10000);
    draft.assume("rope_theta", 10000, "a GGUF of this family does not hold it; llama.cpp computes with it");
  },
};
