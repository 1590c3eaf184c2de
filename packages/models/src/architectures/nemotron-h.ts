/**
 * Nemotron-H and Nemotron 3: each layer is Mamba 2, attention without rotation, or a feed-forward, which in Nemotron 3 has
 * experts (llama.cpp, conversion/nemotron.py).
 */
import type { Config } from "../config.ts";
import { textConfig } from "../hf-files.ts";
import { field, isJsonArray } from "../json.ts";
import { bool, numberArray, numberOf, numbersOf, u32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture, ConfigDraft, LeftOutRule, ParameterRule, TensorRule } from "./architecture.ts";
import {
  expertWeightsNorm,
  expertWeightsScale,
  sharedExpertCount,
  sharedExpertLength,
} from "./expert-parameters.ts";
import { count, derived, fixed, generic, textParameters } from "./parameters.ts";
import { attentionLayerHeads, mamba2Tensors } from "./state-space.ts";
import { keyHeads, queryHeads, readOnly, rotary, same, stackedExperts } from "./tensors.ts";

type Kind = "mamba" | "attention" | "feed-forward";

const kindsByLetter: Readonly<Record<string, Kind>> = {
  M: "mamba",
  "*": "attention",
  "-": "feed-forward",
  E: "feed-forward",
};

const kindsByName: Readonly<Record<string, Kind>> = {
  mamba: "mamba",
  linear_attention: "mamba",
  attention: "attention",
  full_attention: "attention",
};

/** The kind of each layer: letters, or a list of names. */
function layerKinds(config: Config): readonly Kind[] {
  const pattern = config.text("hybrid_override_pattern");
  if (pattern !== undefined) return [...pattern].map((letter) => kindsByLetter[letter] ?? "feed-forward");
  const names = config.get("layers_block_type");
  if (names === undefined || !isJsonArray(names)) return [];
  return names.map((name) => (typeof name === "string" ? kindsByName[name] : undefined) ?? "feed-forward");
}

const mixer = "backbone.layers.{layer}.mixer";

function parametersOf(lengthKey: string, isMixture: boolean): readonly ParameterRule[] {
  const isPlain = (rule: ParameterRule): boolean =>
    rule !== generic.keyLength && rule !== generic.valueLength;
  return [
    ...textParameters.filter(isPlain),
    generic.vocabularySize,
    derived("~.rope.dimension_count", (config) =>
      u32(Math.floor(config.need("hidden_size") / config.need("num_attention_heads"))),
    ),
    count("~.ssm.conv_kernel", ["conv_kernel"]),
    count("~.ssm.state_size", ["ssm_state_size"]),
    count("~.ssm.group_count", ["n_groups"]),
    derived(
      "~.ssm.inner_size",
      (config) => u32(config.need("mamba_num_heads") * config.need("mamba_head_dim")),
      (value, draft) => {
        const heads = numberOf(draft.parameter("~.ssm.time_step_rank")) ?? 1;
        draft.values.set("mamba_head_dim", (numberOf(value) ?? 0) / heads);
      },
    ),
    count("~.ssm.time_step_rank", ["mamba_num_heads"]),
    attentionLayerHeads(
      (layer, config) => layerKinds(config)[layer] === "attention",
      (hasAttention, draft) => {
        const lengths = numbersOf(draft.parameter("~.feed_forward_length")) ?? [];
        const letters = hasAttention.map((own, layer) =>
          own ? "*" : lengths[layer] === 0 ? "M" : isMixture ? "E" : "-",
        );
        draft.values.set("hybrid_override_pattern", letters.join(""));
      },
      (config) => layerKinds(config).length,
    ),
    fixed("~.rope.scaling.finetuned", bool(false)),
    // the converter writes this number for every model
    fixed("~.context_length", u32(2 ** 20)),
    count("~.attention.key_length", ["head_dim", "attention_head_dim"]),
    derived("~.attention.value_length", (config) => u32(config.need("head_dim", "attention_head_dim"))),
    derived(
      "~.feed_forward_length",
      (config) => {
        const length = config.need(lengthKey);
        return numberArray(
          "i32",
          layerKinds(config).map((kind) => (kind === "feed-forward" ? length : 0)),
        );
      },
      (value, draft) => draft.values.set(lengthKey, numbersOf(value)?.find((length) => length !== 0) ?? 0),
    ),
  ];
}

const tensors: readonly TensorRule[] = [
  same("backbone.embeddings.weight", "token_embd.weight"),
  // as transformers saves it
  readOnly(same("backbone.embedding.weight", "token_embd.weight")),
  same("backbone.norm_f.weight", "output_norm.weight"),
  same("lm_head.weight", "output.weight"),
  same("backbone.layers.{layer}.norm.weight", "blk.{layer}.attn_norm.weight"),
  ...mamba2Tensors(mixer, (config) => config.need("n_groups")),
  rotary(`${mixer}.q_proj.*`, "blk.{layer}.attn_q.*", queryHeads),
  rotary(`${mixer}.k_proj.*`, "blk.{layer}.attn_k.*", keyHeads),
  same(`${mixer}.v_proj.*`, "blk.{layer}.attn_v.*"),
  same(`${mixer}.o_proj.*`, "blk.{layer}.attn_output.*"),
  same(`${mixer}.up_proj.*`, "blk.{layer}.ffn_up.*"),
  same(`${mixer}.down_proj.*`, "blk.{layer}.ffn_down.*"),
];

const prediction: LeftOutRule = {
  pattern: /^mtp\./,
  reason: "multi-token prediction: Requant does not write it for this family",
};

function finish({ values, parameter, ggufNames, assume }: ConfigDraft): void {
  const has = (suffix: string): boolean => [...ggufNames].some((name) => name.endsWith(suffix));
  values.set("use_bias", has(".ssm_in.bias"));
  values.set("use_conv_bias", has(".ssm_conv1d.bias"));
  values.set("attention_bias", has(".attn_q.bias"));
  values.set("mlp_bias", has(".ffn_up.bias"));
  values.set("expand", 2);
  values.set("mlp_hidden_act", "relu2");
  values.set("mamba_hidden_act", "silu");
  assume(
    "max_position_embeddings",
    numberOf(parameter("~.context_length")) ?? 0,
    "llama.cpp's converter writes it for every model",
  );
}

export const nemotronH: Architecture = {
  name: "nemotron_h",
  memory: {
    states: "without key heads and forward",
    normsWithoutMean: true,
    choosesRows: "after norm",
    rotates: () => false,
  },
  classes: ["NemotronHForCausalLM"],
  modelType: "nemotron_h",
  // transformers' defaults describe a mixture, whose GGUF llama.cpp would not load
  defaults: {},
  claims: (config) => field(textConfig(config), "num_experts_per_tok") === undefined,
  parameters: parametersOf("intermediate_size", false),
  tensors,
  tokenizer: { ...byteBpe, after: [() => [["tokenizer.ggml.add_bos_token", bool(true)]]] },
  finishConfig: finish,
};

export const nemotronHMoe: Architecture = {
  ...nemotronH,
  name: "nemotron_h_moe",
  claims: (config) => field(textConfig(config), "num_experts_per_tok") !== undefined,
  parameters: [
    ...parametersOf("moe_intermediate_size", true),
    count("~.expert_used_count", ["num_experts_per_tok"]),
    generic.expertFeedForwardLength,
    sharedExpertLength("moe_shared_expert_intermediate_size"),
    count("~.expert_count", ["n_routed_experts"]),
    sharedExpertCount("n_shared_experts"),
    expertWeightsNorm("norm_topk_prob"),
    expertWeightsScale("routed_scaling_factor"),
    count("~.expert_group_count", ["n_group"]),
    count("~.moe_latent_size", ["moe_latent_size"]),
  ],
  tensors: [
    ...tensors,
    stackedExperts(
      ["down", "up"].map((part) => [
        `${mixer}.experts.{expert}.${part}_proj.weight`,
        `blk.{layer}.ffn_${part}_exps.weight`,
      ]),
      (config) => config.need("n_routed_experts"),
    ),
    same(`${mixer}.gate.weight`, "blk.{layer}.ffn_gate_inp.weight"),
    same(`${mixer}.gate.e_score_correction_bias`, "blk.{layer}.exp_probs_b.bias"),
    same(`${mixer}.shared_experts.up_proj.weight`, "blk.{layer}.ffn_up_shexp.weight"),
    same(`${mixer}.shared_experts.down_proj.weight`, "blk.{layer}.ffn_down_shexp.weight"),
    same(`${mixer}.fc1_latent_proj.weight`, "blk.{layer}.ffn_latent_down.weight"),
    same(`${mixer}.fc2_latent_proj.weight`, "blk.{layer}.ffn_latent_up.weight"),
  ],
  leftOut: [prediction],
  tokenizer: byteBpe,
  finishConfig(draft) {
    finish(draft);
    draft.values.set("intermediate_size", numberOf(draft.parameter("~.expert_feed_forward_length")) ?? 0);
    draft.values.delete("num_local_experts");
  },
};
