/** Settings of Qwen's models with gated delta net layers, and of their blocks for multi-token prediction (llama.cpp, conversion/qwen.py). */
import type { Config } from "../config.ts";
import { numberField } from "../json.ts";
import { boolArray, boolsOf, numberOf, u32 } from "../metadata-values.ts";
import { setRope } from "../rope.ts";
import type { ParameterRule } from "./architecture.ts";
import { count, derived, textParameters } from "./parameters.ts";
import { countedBlocks } from "./prediction.ts";

interface DeltaHeads {
  readonly keys: number;
  /** Value heads per key head. */
  readonly ratio: number;
  readonly keyLength: number;
  readonly valueLength: number;
}

export function deltaHeads(config: Config): DeltaHeads {
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

export const deltaParameters: readonly ParameterRule[] = [
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
  ...countedBlocks,
  toGguf: (config, { hfNames }) => u32(config.need("num_hidden_layers") + predictedLayers(hfNames)),
};

/** The generic list with the prediction blocks counted in. */
export const countedParameters: readonly ParameterRule[] = [blockCount, ...textParameters.slice(1)];
