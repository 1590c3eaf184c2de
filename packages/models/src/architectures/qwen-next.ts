/**
 * Qwen3-Next, and what Qwen3.5 shares with it: gated delta net layers, every fourth with full attention, and a block for
 * multi-token prediction that GGUF keeps as one more layer (llama.cpp, conversion/qwen.py).
 */
import type { Config } from "../config.ts";
import type { RowOrder } from "../row-order.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { WeightInput } from "../weight-plan.ts";
import type { Architecture, ConfigDraft, TensorContext, TensorRule } from "./architecture.ts";
import { countedParameters, deltaHeads, deltaParameters } from "./delta-net.ts";
import { count, deriveKeyValueHeads, deriveLayerTypes, generic } from "./parameters.ts";
import { predictionNames } from "./prediction.ts";
import { splitEvenly, viewed } from "./split-tensors.ts";
import {
  arithmetic,
  attention,
  decoderEnds,
  gatedFeedForward,
  mapped,
  readOnly,
  router,
  same,
  separateExperts,
  sharedExpert,
  shiftedNorm,
  squeezed,
} from "./tensors.ts";

const layer = "model.layers.{layer}";
export const delta: string = `${layer}.linear_attn`;

const plainNorms = new WeakMap<TensorContext["shapes"], boolean>();

/**
 * mlx-lm stores norms with the one added. It does so exactly when it moves the last axis of the convolutions (mlx-lm,
 * models/qwen3_next.py and qwen3_5.py, `sanitize`), and the shapes of these show it.
 */
function storesPlainNorms({ shapes }: TensorContext): boolean {
  let answer = plainNorms.get(shapes);
  if (answer === undefined) {
    const [convolution = []] = [...shapes].flatMap(([name, shape]) =>
      name.endsWith(".linear_attn.conv1d.weight") ? [shape] : [],
    );
    answer = convolution.length === 3 && convolution[1] !== 1 && convolution[2] === 1;
    plainNorms.set(shapes, answer);
  }
  return answer;
}

/** A norm that Hugging Face stores as its difference to one, and mlx-lm as it is. */
function norm(hf: string, gguf: string): TensorRule {
  return mapped(
    hf,
    gguf,
    (context) => (storesPlainNorms(context) ? {} : { map: "add-one" }),
    () => ({ map: "subtract-one" }),
  );
}

export const commonTensors: readonly TensorRule[] = [
  ...decoderEnds.filter(({ hf }) => hf[0] !== "model.norm.*"),
  norm("model.norm.weight", "output_norm.weight"),
  norm(`${layer}.input_layernorm.weight`, "blk.{layer}.attn_norm.weight"),
  norm(`${layer}.post_attention_layernorm.weight`, "blk.{layer}.post_attention_norm.weight"),
  ...attention(false),
  norm(`${layer}.self_attn.q_norm.weight`, "blk.{layer}.attn_q_norm.weight"),
  norm(`${layer}.self_attn.k_norm.weight`, "blk.{layer}.attn_k_norm.weight"),
  same(`${delta}.norm.weight`, "blk.{layer}.ssm_norm.weight"),
  same(`${layer}.mtp.fc.weight`, "blk.{layer}.nextn.eh_proj.weight"),
  shiftedNorm(`${layer}.mtp.norm.weight`, "blk.{layer}.nextn.shared_head_norm.weight"),
  shiftedNorm(`${layer}.mtp.pre_fc_norm_embedding.weight`, "blk.{layer}.nextn.enorm.weight"),
  shiftedNorm(`${layer}.mtp.pre_fc_norm_hidden.weight`, "blk.{layer}.nextn.hnorm.weight"),
];

export const mixture: readonly TensorRule[] = [
  separateExperts(`${layer}.mlp.experts`),
  // newer checkpoints fuse the experts; a GGUF is converted back to separate experts
  readOnly(
    splitEvenly(`${layer}.mlp.experts.gate_up_proj`, [
      "blk.{layer}.ffn_gate_exps.weight",
      "blk.{layer}.ffn_up_exps.weight",
    ]),
  ),
  readOnly(same(`${layer}.mlp.experts.down_proj`, "blk.{layer}.ffn_down_exps.weight")),
  router,
  ...sharedExpert(`${layer}.mlp.shared_expert`),
  same(`${layer}.mlp.shared_expert_gate.weight`, "blk.{layer}.ffn_gate_inp_shexp.weight"),
];

/** One of the parts q, k, v, z of a key head's rows `[q | k | v × ratio | z × ratio]`. */
function fusedPart(config: Config, part: "q" | "k" | "v" | "z"): RowOrder {
  const { keys, ratio, keyLength, valueLength } = deltaHeads(config);
  const values = ratio * valueLength;
  const starts = { q: 0, k: keyLength, v: 2 * keyLength, z: 2 * keyLength + values };
  const length = part === "q" || part === "k" ? keyLength : values;
  return {
    kind: "view",
    view: [keys, 2 * keyLength + 2 * values],
    ranges: [null, [starts[part], starts[part] + length]],
  };
}

/** in_proj_qkvz, grouped by key head in the checkpoint and by part in GGUF. */
const fusedProjection: TensorRule = viewed(
  `${delta}.in_proj_qkvz.weight`,
  [
    {
      gguf: "blk.{layer}.attn_qkv.weight",
      orders: ({ config }) => [fusedPart(config, "q"), fusedPart(config, "k"), fusedPart(config, "v")],
    },
    { gguf: "blk.{layer}.attn_gate.weight", orders: ({ config }) => [fusedPart(config, "z")] },
  ],
  ([qkv = "", gate = ""], { config }) => {
    const { keys, ratio, keyLength, valueLength } = deltaHeads(config);
    const values = ratio * valueLength;
    const slice = (tensor: string, start: number, length: number): WeightInput => ({
      tensor,
      rows: [start, start + length],
    });
    return Array.from({ length: keys }, (_, head): readonly WeightInput[] => [
      slice(qkv, head * keyLength, keyLength),
      slice(qkv, (keys + head) * keyLength, keyLength),
      slice(qkv, 2 * keys * keyLength + head * values, values),
      slice(gate, head * values, values),
    ]).flat();
  },
);

export const nextDefaults = {
  attention_bias: false,
  bos_token_id: null,
  eos_token_id: null,
  head_dim: 256,
  hidden_act: "silu",
  linear_conv_kernel_dim: 4,
  linear_key_head_dim: 128,
  linear_num_key_heads: 16,
  linear_num_value_heads: 32,
  linear_value_head_dim: 128,
  max_position_embeddings: 32768,
  num_attention_heads: 16,
  pad_token_id: null,
  partial_rotary_factor: 0.25,
  rms_norm_eps: 1e-6,
  rope_parameters: { rope_theta: 10000, partial_rotary_factor: 0.25, rope_type: "default" },
  tie_word_embeddings: false,
} as const;

const everyFourthFull = deriveLayerTypes((index, values) => {
  const interval = values.get("full_attention_interval");
  return (index + 1) % (typeof interval === "number" ? interval : 4) === 0
    ? "full_attention"
    : "linear_attention";
});

export function finishDelta(draft: ConfigDraft): void {
  draft.values.set("attention_bias", draft.ggufNames.has("blk.3.attn_q.bias"));
}

export const qwen3next: Architecture = {
  name: "qwen3next",
  memory: { states: "most", choosesRows: "after norm" },
  classes: ["Qwen3NextForCausalLM"],
  modelType: "qwen3_next",
  defaults: {
    ...nextDefaults,
    decoder_sparse_step: 1,
    hidden_size: 2048,
    intermediate_size: 5632,
    mlp_only_layers: [],
    moe_intermediate_size: 512,
    norm_topk_prob: true,
    num_experts: 512,
    num_experts_per_tok: 10,
    num_hidden_layers: 48,
    num_key_value_heads: 2,
    shared_expert_intermediate_size: 512,
    vocab_size: 151936,
  },
  derive: [deriveKeyValueHeads, everyFourthFull],
  names: predictionNames,
  parameters: [
    ...countedParameters,
    generic.expertFeedForwardLength,
    count("~.expert_shared_feed_forward_length", ["shared_expert_intermediate_size"]),
    ...deltaParameters,
  ],
  tensors: [
    ...commonTensors,
    arithmetic(`${delta}.A_log`, "blk.{layer}.ssm_a", "negative-exp", "log-negative"),
    squeezed(`${delta}.conv1d.weight`, "blk.{layer}.ssm_conv1d.weight"),
    same(`${delta}.dt_bias`, "blk.{layer}.ssm_dt.bias"),
    same(`${delta}.in_proj_ba.weight`, "blk.{layer}.ssm_ba.weight"),
    fusedProjection,
    same(`${delta}.out_proj.weight`, "blk.{layer}.ssm_out.weight"),
    ...mixture,
    ...gatedFeedForward,
  ],
  tokenizer: byteBpe,
  finishConfig: finishDelta,
};
