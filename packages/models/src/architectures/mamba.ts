/** Mamba 1 and 2, and Falcon-Mamba, which norms B, C and the step (llama.cpp, conversion/mamba.py). */
import type { Config } from "../config.ts";
import { bool, boolOf, numberOf, u32 } from "../metadata-values.ts";
import { byteKinds, sentencePieceOrBpe } from "../tokenizer/extras.ts";
import type { Architecture, ConfigDraft, LeftOutRule, ParameterRule, TensorRule } from "./architecture.ts";
import { count, derived, fixed, generic, real } from "./parameters.ts";
import { mamba2Tensors, mambaTensors } from "./state-space.ts";
import { readOnly, same } from "./tensors.ts";

const mixer = "backbone.layers.{layer}.mixer";

const ends: readonly TensorRule[] = [
  same("backbone.embeddings.weight", "token_embd.weight"),
  same("backbone.norm_f.weight", "output_norm.weight"),
  same("lm_head.weight", "output.weight"),
  same("backbone.layers.{layer}.norm.weight", "blk.{layer}.attn_norm.weight"),
  // the name in the files of the first implementation
  readOnly(same("backbone.embedding.weight", "token_embd.weight")),
];

/** llama.cpp's converter compares the two matrices; here the config says that they are the same. */
const tiedHead: LeftOutRule = {
  pattern: /^(?:model\.)?lm_head\.weight$/,
  reason: "the head is the embedding; a copy of it is not written",
  when: (config) => config.flag("tie_word_embeddings") === true,
};

const hidden = (config: Config): number => config.need("hidden_size", "d_model");
const inner = (config: Config): number =>
  config.count("intermediate_size", "d_inner") || (config.count("expand") || 2) * hidden(config);

const head: readonly ParameterRule[] = [
  // a model without positions has no limit: the converter writes this number
  fixed("~.context_length", u32(2 ** 20)),
  count("~.embedding_length", ["hidden_size", "d_model"]),
  fixed("~.feed_forward_length", u32(0)),
  fixed("~.attention.head_count", u32(0)),
  generic.blockCount,
  count("~.ssm.conv_kernel", ["conv_kernel", "d_conv"]),
  derived("~.ssm.inner_size", (config) => u32(inner(config))),
  count("~.ssm.state_size", ["state_size", "d_state"]),
];

const epsilon: ParameterRule = real("~.attention.layer_norm_rms_epsilon", ["layer_norm_epsilon"]);

const shared = {
  bos_token_id: 0,
  conv_kernel: 4,
  expand: 2,
  hidden_act: "silu",
  layer_norm_epsilon: 1e-5,
  rescale_prenorm_residual: false,
  residual_in_fp32: true,
  time_step_floor: 0.0001,
  time_step_max: 0.1,
  time_step_min: 0.001,
  use_bias: false,
  use_conv_bias: true,
};

function finish({ values, parameter, ggufNames }: ConfigDraft): void {
  const width = numberOf(parameter("~.embedding_length")) ?? 1;
  values.set("expand", (numberOf(parameter("~.ssm.inner_size")) ?? 0) / width);
  values.set("use_bias", ggufNames.has("blk.0.ssm_in.bias"));
  values.set("use_conv_bias", ggufNames.has("blk.0.ssm_conv1d.bias"));
}

export const mamba: Architecture = {
  name: "mamba",
  memory: { states: "all" },
  classes: ["MambaForCausalLM", "MambaLMHeadModel"],
  modelType: "mamba",
  defaults: {
    ...shared,
    eos_token_id: 0,
    hidden_size: 768,
    num_hidden_layers: 32,
    pad_token_id: 0,
    state_size: 16,
    tie_word_embeddings: true,
    time_step_init_scheme: "random",
    time_step_scale: 1,
    vocab_size: 50280,
  },
  hasRope: false,
  parameters: [
    ...head,
    // not always a number
    derived(
      "~.ssm.time_step_rank",
      (config) => {
        const rank = config.get("time_step_rank") ?? config.get("dt_rank");
        return u32(typeof rank === "number" ? rank : Math.ceil(hidden(config) / 16));
      },
      (value, draft) => draft.values.set("time_step_rank", numberOf(value) ?? "auto"),
    ),
    epsilon,
    derived("~.ssm.dt_b_c_rms", (config) => bool(config.text("model_type") === "falcon_mamba")),
    generic.fileType,
  ],
  tensors: [...ends, ...mambaTensors(mixer)],
  leftOut: [tiedHead],
  tokenizer: { kinds: [...byteKinds, "sentencepiece"], json: "llama" },
  finishConfig(draft) {
    finish(draft);
    draft.values.set("intermediate_size", numberOf(draft.parameter("~.ssm.inner_size")) ?? 0);
  },
};

export const falconMamba: Architecture = {
  ...mamba,
  classes: ["FalconMambaForCausalLM"],
  modelType: "falcon_mamba",
  defaults: { ...mamba.defaults, mixer_rms_eps: 1e-6 },
  recognises: (metadata) => boolOf(metadata.get("mamba.ssm.dt_b_c_rms")) === true,
};

export const mamba2: Architecture = {
  name: "mamba2",
  memory: { states: "all" },
  classes: ["Mamba2ForCausalLM"],
  modelType: "mamba2",
  defaults: {
    ...shared,
    chunk_size: 256,
    eos_token_id: 2,
    head_dim: 64,
    hidden_size: 4096,
    n_groups: 8,
    norm_before_gate: true,
    num_hidden_layers: 64,
    pad_token_id: 1,
    rms_norm: true,
    state_size: 128,
    tie_word_embeddings: false,
    vocab_size: 32768,
  },
  hasRope: false,
  // Mamba-Codestral has one more prefix
  names: {
    toRules: (name) => name.replace(/^model\.(?=backbone\.|lm_head\.)/, ""),
    fromRules: (name) => name,
  },
  parameters: [
    ...head,
    derived(
      "~.ssm.time_step_rank",
      (config) => u32(Math.floor(inner(config) / config.need("head_dim"))),
      (value, draft) => {
        const heads = numberOf(value) ?? 1;
        draft.values.set("num_heads", heads);
        draft.values.set("head_dim", (numberOf(draft.parameter("~.ssm.inner_size")) ?? 0) / heads);
      },
    ),
    derived(
      "~.ssm.group_count",
      (config) => u32(config.count("n_groups") ?? 1),
      (value, draft) => draft.values.set("n_groups", numberOf(value) ?? 1),
    ),
    epsilon,
    generic.fileType,
  ],
  tensors: [...ends, ...mamba2Tensors(mixer, (config) => config.count("n_groups") || 1)],
  leftOut: [tiedHead],
  tokenizer: sentencePieceOrBpe,
  finishConfig: finish,
};
