/**
 * Qwen3.5: Qwen3-Next with the projections of its delta net apart and value heads in another order than GGUF's (llama.cpp,
 * conversion/qwen.py).
 */
import type { Config } from "../config.ts";
import { numberArray } from "../metadata-values.ts";
import { ropeRules, setRope } from "../rope.ts";
import type { RowOrder } from "../row-order.ts";
import type { StoredInput, WeightInput } from "../weight-plan.ts";
import type { Architecture, ParameterRule, TensorContext, TensorRule } from "./architecture.ts";
import { countedParameters, deltaHeads, deltaParameters } from "./delta-net.ts";
import { count, generic } from "./parameters.ts";
import { commonTensors, delta, finishDelta, mixture, nextDefaults, qwen3next } from "./qwen-next.ts";
import { convolutionShape, gatedFeedForward, mapped } from "./tensors.ts";

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
