/**
 * Qwen3-Next and Qwen3.5: gated delta net layers, every fourth with full attention, and a block for multi-token prediction
 * that GGUF keeps as one more layer (llama.cpp, conversion/qwen.py). Long because the delta net layers regroup their rows in
 * ways that no other family has, in both directions.
 */
import type { Config } from "../config.ts";
import { numberField } from "../json.ts";
import { boolArray, boolsOf, numberArray, numberOf, u32 } from "../metadata-values.ts";
import { ropeRules, setRope } from "../rope.ts";
import type { RowOrder } from "../row-order.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { StoredInput, WeightInput } from "../weight-plan.ts";
import type { Architecture, ConfigDraft, ParameterRule, TensorContext, TensorRule } from "./architecture.ts";
import {
  count,
  derived,
  deriveKeyValueHeads,
  deriveLayerTypes,
  generic,
  textParameters,
} from "./parameters.ts";
import { predictionNames } from "./prediction.ts";
import {
  arithmetic,
  attention,
  convolutionShape,
  decoderEnds,
  gatedFeedForward,
  mapped,
  router,
  same,
  separateExperts,
  sharedExpert,
  shiftedNorm,
  splitEvenly,
  squeezed,
  viewed,
} from "./tensors.ts";

const layer = "model.layers.{layer}";
const delta = `${layer}.linear_attn`;

interface DeltaHeads {
  readonly keys: number;
  /** Value heads per key head. */
  readonly ratio: number;
  readonly keyLength: number;
  readonly valueLength: number;
}

function deltaHeads(config: Config): DeltaHeads {
  const keys = config.need("linear_num_key_heads");
  return {
    keys,
    ratio: config.need("linear_num_value_heads") / keys,
    keyLength: config.need("linear_key_head_dim"),
    valueLength: config.need("linear_value_head_dim"),
  };
}

/** The number of prediction blocks, counted in the checkpoint's tensors. */
function predictedLayers(names: ReadonlySet<string>): number {
  const layers = new Set<string>();
  for (const name of names) {
    const match = /^(?:model\.)?mtp\.layers\.(\d+)\./.exec(name);
    if (match?.[1] !== undefined) layers.add(match[1]);
  }
  return layers.size;
}

const deltaParameters: readonly ParameterRule[] = [
  {
    key: "~.nextn_predict_layers",
    toGguf(_, { hfNames }) {
      const layers = predictedLayers(hfNames);
      return layers === 0 ? undefined : u32(layers);
    },
    toHf(value, draft) {
      const layers = numberOf(value);
      if (layers !== undefined) draft.values.set("mtp_num_hidden_layers", layers);
    },
  },
  count("~.ssm.conv_kernel", ["linear_conv_kernel_dim"]),
  count("~.ssm.state_size", ["linear_key_head_dim"]),
  count("~.ssm.group_count", ["linear_num_key_heads"]),
  count("~.ssm.time_step_rank", ["linear_num_value_heads"]),
  derived(
    "~.ssm.inner_size",
    (config) => u32(config.need("linear_value_head_dim") * config.need("linear_num_value_heads")),
    (value, draft) => {
      const heads = numberOf(draft.parameter("~.ssm.time_step_rank"));
      const size = numberOf(value);
      if (heads !== undefined && size !== undefined) draft.values.set("linear_value_head_dim", size / heads);
    },
  ),
  {
    key: "~.attention.recurrent_layers",
    toGguf(config, { hfNames }) {
      const types = config.get("layer_types");
      const own = Array.isArray(types) ? types.map((type) => type === "linear_attention") : [];
      return boolArray([...own, ...new Array<boolean>(predictedLayers(hfNames)).fill(false)]);
    },
    toHf(value, draft) {
      const predicted = numberOf(draft.parameter("~.nextn_predict_layers")) ?? 0;
      const own = boolsOf(value);
      if (own === undefined) return;
      const types = own
        .slice(0, own.length - predicted)
        .map((one) => (one ? "linear_attention" : "full_attention"));
      draft.values.set("layer_types", types);
    },
  },
  derived(
    "~.full_attention_interval",
    (config) => u32(config.count("full_attention_interval") ?? 4),
    (value, draft) => draft.values.set("full_attention_interval", numberOf(value) ?? 4),
  ),
  derived(
    "~.rope.dimension_count",
    (config) => {
      const factor =
        numberField(config.rope(), "partial_rotary_factor") ?? config.number("partial_rotary_factor") ?? 0.25;
      return u32(Math.trunc(config.headLength * factor));
    },
    (value, draft) => {
      const head = numberOf(draft.parameter("~.attention.key_length"));
      const dimensions = numberOf(value);
      if (head === undefined || dimensions === undefined) return;
      setRope(draft, "partial_rotary_factor", dimensions / head);
      draft.values.set("partial_rotary_factor", dimensions / head);
    },
  ),
];

const blockCount: ParameterRule = {
  key: "~.block_count",
  toGguf: (config, { hfNames }) => u32(config.need("num_hidden_layers") + predictedLayers(hfNames)),
  toHf(value, draft) {
    const predicted = numberOf(draft.parameter("~.nextn_predict_layers")) ?? 0;
    draft.values.set("num_hidden_layers", (numberOf(value) ?? 0) - predicted);
  },
};

/** The generic list with the prediction blocks counted in. */
const countedParameters: readonly ParameterRule[] = [blockCount, ...textParameters.slice(1)];

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

const commonTensors: readonly TensorRule[] = [
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

const mixture: readonly TensorRule[] = [
  separateExperts(`${layer}.mlp.experts`),
  // newer checkpoints fuse the experts; a GGUF is converted back to separate experts
  {
    ...splitEvenly(`${layer}.mlp.experts.gate_up_proj`, [
      "blk.{layer}.ffn_gate_exps.weight",
      "blk.{layer}.ffn_up_exps.weight",
    ]),
    oneWay: true,
  },
  { ...same(`${layer}.mlp.experts.down_proj`, "blk.{layer}.ffn_down_exps.weight"), oneWay: true },
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

const nextDefaults = {
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

function finishDelta(draft: ConfigDraft): void {
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

/** Value heads from grouped (`key head × ratio + j`) to tiled (`j × key heads + key head`), or back. */
function valueHeads(config: Config, length: number, back: boolean): RowOrder {
  const { keys, ratio } = deltaHeads(config);
  return { kind: "view", view: [...(back ? [ratio, keys] : [keys, ratio]), length], axes: [1, 0, 2] };
}

type StepsOf = (context: TensorContext) => Omit<StoredInput, "tensor">;

function tiled(
  hf: string,
  gguf: string,
  steps: (order: RowOrder) => Omit<StoredInput, "tensor">,
  perHead: (config: Config) => number,
): TensorRule {
  const way =
    (back: boolean): StepsOf =>
    ({ config }) =>
      steps(valueHeads(config, perHead(config), back));
  return mapped(hf, gguf, way(false), way(true));
}

const one = (): number => 1;
const valueLength = (config: Config): number => deltaHeads(config).valueLength;

/** Rows of q and k in their order, then the rows of v in the order of tiled heads. */
function tiledTail(hf: string, gguf: string, squeeze: boolean): TensorRule {
  /** `split`: stored rows of one number each, `split` of them to a row. */
  const inputs = (tensor: string, config: Config, back: boolean, split = 1): readonly WeightInput[] => {
    const { keys, ratio, keyLength, valueLength: length } = deltaHeads(config);
    const first = 2 * keys * keyLength;
    const end = first + keys * ratio * length;
    const steps = split === 1 ? {} : { rowLength: split };
    return [
      { tensor, rows: [0, split * first], ...steps },
      { tensor, rows: [split * first, split * end], ...steps, rowOrder: valueHeads(config, length, back) },
    ];
  };
  return {
    hf: [hf],
    gguf: [gguf],
    toGguf: ([names], { config, shapeOf }) => {
      const name = names?.[0] ?? "";
      const shape = shapeOf(name);
      const flat = squeeze ? convolutionShape(shape) : shape;
      const width = flat.at(-1) ?? 1;
      // mlx-lm moves the axis of one number to the end
      const split = shape.at(-1) === width ? 1 : width;
      return [{ shape: flat, inputs: inputs(name, config, false, split) }];
    },
    toHf: ([name = ""], { config, shapeOf }) => {
      const [rows = 1, width = 1] = shapeOf(name);
      return [[{ shape: squeeze ? [rows, 1, width] : [rows, width], inputs: inputs(name, config, true) }]];
    },
  };
}

const deltaLogs: TensorRule = mapped(
  `${delta}.A_log`,
  "blk.{layer}.ssm_a",
  ({ config }) => ({ rowLength: 1, rowOrder: valueHeads(config, 1, false), map: "negative-exp" }),
  ({ config }) => ({ rowLength: 1, rowOrder: valueHeads(config, 1, true), map: "log-negative" }),
);

const tiledTensors: readonly TensorRule[] = [
  deltaLogs,
  tiledTail(`${delta}.conv1d.weight`, "blk.{layer}.ssm_conv1d.weight", true),
  tiled(`${delta}.dt_bias`, "blk.{layer}.ssm_dt.bias", (rowOrder) => ({ rowLength: 1, rowOrder }), one),
  tiled(`${delta}.in_proj_a.weight`, "blk.{layer}.ssm_alpha.weight", (rowOrder) => ({ rowOrder }), one),
  tiled(`${delta}.in_proj_b.weight`, "blk.{layer}.ssm_beta.weight", (rowOrder) => ({ rowOrder }), one),
  tiledTail(`${delta}.in_proj_qkv.weight`, "blk.{layer}.attn_qkv.weight", false),
  tiled(
    `${delta}.in_proj_z.weight`,
    "blk.{layer}.attn_gate.weight",
    (rowOrder) => ({ rowOrder }),
    valueLength,
  ),
  tiled(
    `${delta}.out_proj.weight`,
    "blk.{layer}.ssm_out.weight",
    (columnOrder) => ({ columnOrder }),
    valueLength,
  ),
];

/** Sections of the multimodal rope; those of the published models where the config gives none. */
const sections: ParameterRule = {
  ...ropeRules.sections,
  toGguf: (config, context) =>
    ropeRules.sections.toGguf(config, context) ?? numberArray("i32", [11, 11, 10, 0]),
};

const withSections = countedParameters.map((rule) => (rule === ropeRules.sections ? sections : rule));

export const qwen35: Architecture = {
  ...qwen3next,
  name: "qwen35",
  memory: { states: "most", choosesRows: "after norm" },
  classes: ["Qwen3_5ForCausalLM", "Qwen3_5ForConditionalGeneration"],
  modelType: "qwen3_5_text",
  defaults: {
    ...nextDefaults,
    hidden_size: 4096,
    intermediate_size: 12288,
    num_hidden_layers: 32,
    num_key_value_heads: 4,
    vocab_size: 248320,
  },
  parameters: [...withSections, ...deltaParameters],
  tensors: [...commonTensors, ...tiledTensors, ...gatedFeedForward],
  finishConfig(draft) {
    finishDelta(draft);
    setRope(draft, "mrope_interleaved", true);
    draft.values.set("attn_output_gate", true);
  },
};

export const qwen35moe: Architecture = {
  ...qwen35,
  name: "qwen35moe",
  memory: { states: "most", choosesRows: "after norm" },
  classes: ["Qwen3_5MoeForCausalLM", "Qwen3_5MoeForConditionalGeneration"],
  modelType: "qwen3_5_moe_text",
  defaults: {
    ...nextDefaults,
    hidden_size: 2048,
    moe_intermediate_size: 512,
    num_experts: 256,
    num_experts_per_tok: 8,
    num_hidden_layers: 40,
    num_key_value_heads: 2,
    shared_expert_intermediate_size: 512,
    vocab_size: 248320,
  },
  parameters: [
    ...withSections,
    generic.expertFeedForwardLength,
    count("~.expert_shared_feed_forward_length", ["shared_expert_intermediate_size"]),
    ...deltaParameters,
  ],
  tensors: [...commonTensors, ...tiledTensors, ...mixture, ...gatedFeedForward],
};
