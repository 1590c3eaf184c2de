/** gpt-oss, with MXFP4 or plain experts (llama.cpp, conversion/gpt_oss.py). */

import { byteBpe } from "../tokenizer/extras.ts";
import type { StoredInput, WeightInput } from "../weight-plan.ts";
import type { Architecture, PlannedTensor, TensorRule } from "./architecture.ts";
import { count, deriveKeyValueHeads, deriveLayerTypes, generic, textParameters } from "./parameters.ts";
import { attention, decoderEnds, same, stackedProjections } from "./tensors.ts";

const experts = "model.layers.{layer}.mlp.experts";

/**
 * MXFP4 without requantizing: a packed stack has the rows of a GGUF, [E, out, in], where a stack of floats is transposed. A
 * GGUF is converted back to plain experts.
 */
function mxfp4(part: string, gguf: readonly string[]): TensorRule {
  return {
    hf: [`${experts}.${part}.weight`],
    gguf,
    oneWay: true,
    keeps: "MXFP4",
    leading: true,
    toGguf: ([names], { shapeOf }) => {
      const tensor = names?.[0] ?? "";
      const [count = 1, rows = 1, columns = 1] = shapeOf(tensor);
      const each = rows / gguf.length;
      return gguf.map((_, index): PlannedTensor => {
        // gate and up rows alternate
        const rowOrder = {
          kind: "view",
          view: [count * each, gguf.length],
          ranges: [null, [index, index + 1]],
        } as const;
        const input = gguf.length === 1 ? { tensor } : { tensor, rowOrder };
        return { shape: [count, each, columns], inputs: [input] };
      });
    },
    toHf: () => [],
  };
}

/** Rows of one expert, transposed: checkpoints store experts as `[E, in, out]`. */
function expertTransposed(tensor: string, expert: number, rows: number): StoredInput {
  return { tensor, rows: [expert * rows, (expert + 1) * rows], transpose: true };
}

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

const plainDown: TensorRule = {
  hf: [`${experts}.down_proj`],
  gguf: ["blk.{layer}.ffn_down_exps.weight"],
  toGguf: ([names], { shapeOf }) => {
    const name = names?.[0] ?? "";
    const [count = 1, inner = 1, outer = 1] = shapeOf(name);
    return [
      {
        shape: [count, outer, inner],
        inputs: range(count).map((expert) => expertTransposed(name, expert, inner)),
      },
    ];
  },
  toHf: ([name = ""], { shapeOf }) => {
    const [count = 1, outer = 1, inner = 1] = shapeOf(name);
    return [
      [
        {
          shape: [count, inner, outer],
          inputs: range(count).map((expert) => expertTransposed(name, expert, outer)),
        },
      ],
    ];
  },
};

const plainGateUp: TensorRule = {
  hf: [`${experts}.gate_up_proj`],
  gguf: ["blk.{layer}.ffn_gate_exps.weight", "blk.{layer}.ffn_up_exps.weight"],
  toGguf: ([names], { shapeOf }) => {
    const name = names?.[0] ?? "";
    const [count = 1, inner = 1, both = 2] = shapeOf(name);
    return [0, 1].map(
      (part): PlannedTensor => ({
        shape: [count, both / 2, inner],
        inputs: range(count).map((expert) => ({
          ...expertTransposed(name, expert, inner),
          rowOrder: { kind: "view", view: [both / 2, 2], ranges: [null, [part, part + 1]] },
        })),
      }),
    );
  },
  toHf: ([gate = "", up = ""], { shapeOf }) => {
    const [count = 1, rows = 1, inner = 1] = shapeOf(gate);
    const of = (tensor: string, expert: number): StoredInput => ({
      tensor,
      rows: [expert * rows, (expert + 1) * rows],
    });
    const inputs = range(count).map(
      (expert): WeightInput => ({
        join: [
          {
            join: [of(gate, expert), of(up, expert)],
            rowOrder: { kind: "view", view: [2, rows], axes: [1, 0] },
          },
        ],
        transpose: true,
      }),
    );
    return [[{ shape: [count, inner, 2 * rows], inputs }]];
  },
};

const gateUpBias: TensorRule = {
  hf: [`${experts}.gate_up_proj_bias`],
  gguf: ["blk.{layer}.ffn_gate_exps.bias", "blk.{layer}.ffn_up_exps.bias"],
  toGguf: ([names], { shapeOf }) => {
    const tensor = names?.[0] ?? "";
    const [count = 1, both = 2] = shapeOf(tensor);
    return [0, 1].map((part) => ({
      shape: [count, both / 2],
      inputs: [
        {
          tensor,
          rowLength: 1,
          rowOrder: { kind: "view", view: [(count * both) / 2, 2], ranges: [null, [part, part + 1]] },
        },
      ],
    }));
  },
  toHf: (parts, { shapeOf }) => {
    const [count = 1, rows = 1] = shapeOf(parts[0] ?? "");
    const join = parts.map((tensor) => ({ tensor, rowLength: 1 }));
    return [
      [
        {
          shape: [count, 2 * rows],
          inputs: [{ join, rowOrder: { kind: "view", view: [2, count * rows], axes: [1, 0] } }],
        },
      ],
    ];
  },
};

export const gptOss: Architecture = {
  name: "gpt-oss",
  memory: { windows: { period: 2 }, choosesRows: "after layers", keepsHidden: true },
  classes: ["GptOssForCausalLM"],
  modelType: "gpt_oss",
  aliases: { experts_per_token: "num_experts_per_tok" },
  defaults: {
    attention_bias: true,
    bos_token_id: null,
    eos_token_id: null,
    head_dim: 64,
    hidden_act: "silu",
    hidden_size: 2880,
    intermediate_size: 2880,
    max_position_embeddings: 131072,
    num_attention_heads: 64,
    num_experts_per_tok: 4,
    num_hidden_layers: 36,
    num_key_value_heads: 8,
    num_local_experts: 128,
    pad_token_id: null,
    rms_norm_eps: 1e-5,
    rope_parameters: {
      rope_type: "yarn",
      factor: 32,
      beta_fast: 32,
      beta_slow: 1,
      truncate: false,
      original_max_position_embeddings: 4096,
      rope_theta: 150000,
    },
    sliding_window: 128,
    tie_word_embeddings: false,
    vocab_size: 201088,
  },
  derive: [
    deriveKeyValueHeads,
    deriveLayerTypes((layer) => (layer % 2 === 0 ? "sliding_attention" : "full_attention")),
  ],
  parameters: [
    ...textParameters,
    generic.slidingWindow,
    count("~.expert_feed_forward_length", ["intermediate_size"]),
  ],
  tensors: [
    ...decoderEnds,
    same("model.layers.{layer}.input_layernorm.weight", "blk.{layer}.attn_norm.weight"),
    same("model.layers.{layer}.post_attention_layernorm.weight", "blk.{layer}.post_attention_norm.weight"),
    ...attention(false),
    same("model.layers.{layer}.self_attn.sinks", "blk.{layer}.attn_sinks.weight"),
    same("model.layers.{layer}.mlp.router.*", "blk.{layer}.ffn_gate_inp.*"),
    mxfp4("down_proj", ["blk.{layer}.ffn_down_exps.weight"]),
    mxfp4("gate_up_proj", ["blk.{layer}.ffn_gate_exps.weight", "blk.{layer}.ffn_up_exps.weight"]),
    plainDown,
    plainGateUp,
    same(`${experts}.down_proj_bias`, "blk.{layer}.ffn_down_exps.bias"),
    gateUpBias,
  ],
  mlxTensors: stackedProjections(experts, ".*"),
  tokenizer: byteBpe,
  fileType: (files, asked) =>
    files.tensors.some(({ name }) => /\.experts\.\w+_proj\.weight$/.test(name)) ? 38 : asked,
};
