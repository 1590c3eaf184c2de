/** Llama 4's text model: routed and shared experts, stored transposed (llama.cpp, conversion/llama.py). */
import { numberOf, u32 } from "../metadata-values.ts";
import type { StoredInput, WeightInput } from "../weight-plan.ts";
import type { Architecture, TensorRule } from "./architecture.ts";
import { llama, llamaParameters } from "./llama.ts";
import { count, derived } from "./parameters.ts";
import { attention, decoderEnds, layerNorms, same, sharedExpert, stackedProjections } from "./tensors.ts";

const range = (length: number): readonly number[] => Array.from({ length }, (_, index) => index);

const rowsOf = (tensor: string, expert: number, rows: number): StoredInput => ({
  tensor,
  rows: [expert * rows, (expert + 1) * rows],
});

/** `[E, in, out]` ↔ `[E, out, in]`. */
const downExperts: TensorRule = {
  hf: ["model.layers.{layer}.feed_forward.experts.down_proj"],
  gguf: ["blk.{layer}.ffn_down_exps.weight"],
  toGguf: ([names], { shapeOf }) => {
    const name = names?.[0] ?? "";
    const [experts = 1, inner = 1, outer = 1] = shapeOf(name);
    const inputs = range(experts).map((expert) => ({
      ...rowsOf(name, expert, inner),
      transpose: true as const,
    }));
    return [{ shape: [experts, outer, inner], inputs }];
  },
  toHf: ([name = ""], { shapeOf }) => {
    const [experts = 1, outer = 1, inner = 1] = shapeOf(name);
    const inputs = range(experts).map((expert) => ({
      ...rowsOf(name, expert, outer),
      transpose: true as const,
    }));
    return [[{ shape: [experts, inner, outer], inputs }]];
  },
};

/** `[E, in, 2 × ff]`, gate columns first ↔ two of `[E, ff, in]`. */
const gateUpExperts: TensorRule = {
  hf: ["model.layers.{layer}.feed_forward.experts.gate_up_proj"],
  gguf: ["blk.{layer}.ffn_gate_exps.weight", "blk.{layer}.ffn_up_exps.weight"],
  toGguf: ([names], { shapeOf }) => {
    const name = names?.[0] ?? "";
    const [experts = 1, inner = 1, both = 2] = shapeOf(name);
    return [0, 1].map((part) => ({
      shape: [experts, both / 2, inner],
      inputs: range(experts).map(
        (expert): WeightInput => ({
          ...rowsOf(name, expert, inner),
          transpose: true,
          rowOrder: { kind: "view", view: [both], ranges: [[(part * both) / 2, ((part + 1) * both) / 2]] },
        }),
      ),
    }));
  },
  toHf: (parts, { shapeOf }) => {
    const [experts = 1, rows = 1, inner = 1] = shapeOf(parts[0] ?? "");
    const inputs = range(experts).map(
      (expert): WeightInput => ({
        join: parts.map((tensor) => rowsOf(tensor, expert, rows)),
        transpose: true,
      }),
    );
    return [[{ shape: [experts, inner, 2 * rows], inputs }]];
  },
};

export const llama4: Architecture = {
  ...llama,
  decoder: undefined,
  name: "llama4",
  classes: ["Llama4ForCausalLM", "Llama4ForConditionalGeneration"],
  modelType: "llama4_text",
  defaults: {
    attention_bias: false,
    attention_chunk_size: 8192,
    attn_scale: 0.1,
    attn_temperature_tuning: true,
    bos_token_id: 1,
    eos_token_id: 2,
    floor_scale: 8192,
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 5120,
    interleave_moe_layer_step: 1,
    intermediate_size: 8192,
    intermediate_size_mlp: 16384,
    max_position_embeddings: 131072,
    no_rope_layer_interval: 4,
    num_attention_heads: 40,
    num_experts_per_tok: 1,
    num_hidden_layers: 48,
    num_key_value_heads: 8,
    num_local_experts: 16,
    pad_token_id: null,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 500000, rope_type: "default" },
    tie_word_embeddings: false,
    use_qk_norm: true,
    vocab_size: 202048,
  },
  parameters: [
    ...llamaParameters,
    count("~.interleave_moe_layer_step", ["interleave_moe_layer_step"]),
    derived("~.feed_forward_length", (config) => u32(config.need("intermediate_size_mlp"))),
    derived("~.attention.sliding_window", (config) => {
      const types = config.get("layer_types");
      const allFull = Array.isArray(types) && types.every((type) => type === "full_attention");
      return allFull ? u32(0) : undefined;
    }),
    count("~.expert_feed_forward_length", ["intermediate_size"]),
  ],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    ...attention(false),
    downExperts,
    gateUpExperts,
    same("model.layers.{layer}.feed_forward.router.weight", "blk.{layer}.ffn_gate_inp.weight"),
    ...sharedExpert("model.layers.{layer}.feed_forward.shared_expert"),
    same("model.layers.{layer}.feed_forward.gate_proj.weight", "blk.{layer}.ffn_gate.weight"),
    same("model.layers.{layer}.feed_forward.up_proj.weight", "blk.{layer}.ffn_up.weight"),
    same("model.layers.{layer}.feed_forward.down_proj.weight", "blk.{layer}.ffn_down.weight"),
  ],
  mlxTensors: stackedProjections("model.layers.{layer}.feed_forward.experts", ".weight"),
  finishConfig(draft) {
    llama.finishConfig?.(draft);
    draft.values.delete("mlp_bias");
    const feedForward = numberOf(draft.parameter("~.feed_forward_length"));
    if (feedForward !== undefined) draft.values.set("intermediate_size_mlp", feedForward);
  },
};
