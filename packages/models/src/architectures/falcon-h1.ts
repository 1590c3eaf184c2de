/**
 * Falcon-H1: Mamba 2 beside attention in every layer (llama.cpp, conversion/falcon_h1.py). A GGUF does not hold the model's
 * multipliers: they are multiplied into the weights. It is converted back to a model whose multipliers are 1.
 */
import type { Config } from "../config.ts";
import { isJsonArray } from "../json.ts";
import { numberOf, u32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { ElementMap, WeightInput } from "../weight-plan.ts";
import type { Architecture, TensorRule } from "./architecture.ts";
import { count, derived, deriveKeyValueHeads, generic } from "./parameters.ts";
import { mamba2Tensors } from "./state-space.ts";
import { mapped, same } from "./tensors.ts";

const layer = "model.layers.{layer}";

const multipliers = {
  attention_in_multiplier: 1,
  attention_out_multiplier: 1,
  embedding_multiplier: 1,
  key_multiplier: 1,
  lm_head_multiplier: 1,
  mlp_multipliers: [1, 1],
  ssm_in_multiplier: 1,
  ssm_multipliers: [1, 1, 1, 1, 1],
  ssm_out_multiplier: 1,
};

/** A multiplier of the config, or one of a list of multipliers. */
function multiplier(config: Config, name: string, index?: number): number {
  if (index === undefined) return config.number(name) ?? 1;
  const list = config.get(name);
  const own = list !== undefined && isJsonArray(list) ? list[index] : undefined;
  return typeof own === "number" ? own : 1;
}

function product(factors: readonly number[]): { readonly map?: ElementMap } {
  const own = factors.filter((factor) => factor !== 1);
  return own.length === 0 ? {} : { map: { multiply: own } };
}

/** A weight with multipliers, which are 1 in a model that is converted back. */
function scaled(hf: string, gguf: string, factorsOf: (config: Config) => readonly number[]): TensorRule {
  return mapped(
    hf,
    gguf,
    ({ config }) => product(factorsOf(config)),
    () => ({}),
  );
}

/** The rows of in_proj: gate, input, B, C and step, each with a multiplier. */
const inProjection: TensorRule = {
  hf: [`${layer}.mamba.in_proj.weight`],
  gguf: ["blk.{layer}.ssm_in.weight"],
  toGguf: ([names], { config, shapeOf }) => {
    const tensor = names?.[0] ?? "";
    const shape = shapeOf(tensor);
    const inner = config.need("mamba_d_ssm");
    const states = config.need("mamba_n_groups") * config.need("mamba_d_state");
    const ends = [inner, 2 * inner, 2 * inner + states, 2 * inner + 2 * states, shape[0] ?? 0];
    const inputs = ends.map((end, band): WeightInput => {
      const own = [multiplier(config, "ssm_in_multiplier"), multiplier(config, "ssm_multipliers", band)];
      return { tensor, rows: [ends[band - 1] ?? 0, end], ...product(own) };
    });
    return [{ shape, inputs }];
  },
  toHf: ([tensor = ""], { shapeOf }) => [[{ shape: shapeOf(tensor), inputs: [{ tensor }] }]],
};

const input = (config: Config): number => multiplier(config, "attention_in_multiplier");

export const falconH1: Architecture = {
  name: "falcon-h1",
  memory: { states: "beside" },
  classes: ["FalconH1ForCausalLM"],
  modelType: "falcon_h1",
  defaults: {
    attention_bias: false,
    ...multipliers,
    bos_token_id: 1,
    eos_token_id: 2,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 14336,
    mamba_chunk_size: 256,
    mamba_conv_bias: true,
    mamba_d_conv: 4,
    mamba_d_head: 8,
    mamba_d_ssm: 1024,
    mamba_d_state: 256,
    mamba_expand: 2,
    mamba_n_groups: 1,
    mamba_n_heads: 128,
    mamba_norm_before_gate: true,
    mamba_proj_bias: false,
    mamba_rms_norm: false,
    max_position_embeddings: 8192,
    mlp_bias: false,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 8,
    pad_token_id: 0,
    projectors_bias: false,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 128000,
  },
  derive: [deriveKeyValueHeads],
  realNames: Object.keys(multipliers),
  parameters: [
    generic.contextLength,
    generic.embeddingLength,
    generic.feedForwardLength,
    generic.headCount,
    generic.blockCount,
    count("~.ssm.conv_kernel", ["mamba_d_conv"]),
    count("~.ssm.inner_size", ["mamba_d_ssm"]),
    count("~.ssm.state_size", ["mamba_d_state"]),
    derived(
      "~.ssm.time_step_rank",
      (config) => u32(Math.floor(config.need("mamba_d_ssm") / config.need("mamba_d_head"))),
      (value, draft) => {
        const heads = numberOf(value) ?? 1;
        draft.values.set("mamba_n_heads", heads);
        draft.values.set("mamba_d_head", (numberOf(draft.parameter("~.ssm.inner_size")) ?? 0) / heads);
      },
    ),
    count("~.ssm.group_count", ["mamba_n_groups"]),
    generic.rmsEpsilon,
    generic.fileType,
    generic.vocabularySize,
    generic.headCountKv,
    generic.keyLength,
    generic.valueLength,
    generic.ropeBase,
  ],
  tensors: [
    scaled("model.embed_tokens.weight", "token_embd.weight", (config) => [
      multiplier(config, "embedding_multiplier"),
    ]),
    same("model.final_layernorm.weight", "output_norm.weight"),
    scaled("lm_head.weight", "output.weight", (config) => [multiplier(config, "lm_head_multiplier")]),
    same(`${layer}.input_layernorm.weight`, "blk.{layer}.attn_norm.weight"),
    // without a suffix
    same(`${layer}.pre_ff_layernorm.weight`, "blk.{layer}.ffn_norm"),
    scaled(`${layer}.self_attn.q_proj.*`, "blk.{layer}.attn_q.*", (config) => [input(config)]),
    scaled(`${layer}.self_attn.k_proj.*`, "blk.{layer}.attn_k.*", (config) => [
      multiplier(config, "key_multiplier"),
      input(config),
    ]),
    scaled(`${layer}.self_attn.v_proj.*`, "blk.{layer}.attn_v.*", (config) => [input(config)]),
    scaled(`${layer}.self_attn.o_proj.*`, "blk.{layer}.attn_output.*", (config) => [
      multiplier(config, "attention_out_multiplier"),
    ]),
    scaled(`${layer}.feed_forward.gate_proj.*`, "blk.{layer}.ffn_gate.*", (config) => [
      multiplier(config, "mlp_multipliers", 0),
    ]),
    same(`${layer}.feed_forward.up_proj.*`, "blk.{layer}.ffn_up.*"),
    scaled(`${layer}.feed_forward.down_proj.*`, "blk.{layer}.ffn_down.*", (config) => [
      multiplier(config, "mlp_multipliers", 1),
    ]),
    inProjection,
    scaled(`${layer}.mamba.out_proj.*`, "blk.{layer}.ssm_out.*", (config) => [
      multiplier(config, "ssm_out_multiplier"),
    ]),
    ...mamba2Tensors(`${layer}.mamba`, (config) => config.need("mamba_n_groups")),
  ],
  tokenizer: byteBpe,
  finishConfig(draft) {
    const { values, ggufNames, parameter } = draft;
    for (const [name, one] of Object.entries(multipliers)) {
      values.set(name, one);
      draft.assume(name, one, "the GGUF's weights hold the products");
    }
    const inner = numberOf(parameter("~.ssm.inner_size")) ?? 0;
    const expand = inner / (numberOf(parameter("~.embedding_length")) ?? 1);
    values.set("mamba_expand", expand);
    draft.assume("mamba_expand", expand, "mamba_d_ssm is read in its place");
    values.set("mamba_rms_norm", ggufNames.has("blk.0.ssm_norm.weight"));
    values.set("mamba_conv_bias", ggufNames.has("blk.0.ssm_conv1d.bias"));
    values.set("attention_bias", ggufNames.has("blk.0.attn_q.bias"));
    values.set("mlp_bias", ggufNames.has("blk.0.ffn_gate.bias"));
    // llama.cpp, src/models/falcon-h1.cpp, multiplies with the gate before it takes the norm
    values.set("mamba_norm_before_gate", false);
  },
};
