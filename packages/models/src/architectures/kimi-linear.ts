/** Kimi-Linear: gated delta attention (KDA) with three short convolutions, and latent attention (llama.cpp, conversion/kimi_linear.py). */
import { Config } from "../config.ts";
import { numberOf, u32 } from "../metadata-values.ts";
import { tokenText } from "../tokenizer/special-tokens.ts";
import type { Architecture } from "./architecture.ts";
import { latentKeyValue } from "./deepseek.ts";
import { expertWeightsScale, leadingDenseCount, sharedExpertCount } from "./expert-parameters.ts";
import { numberedExperts } from "./expert-tensors.ts";
import { groupCount, groupValue, setInGroup } from "./group-parameters.ts";
import { count, derived, gatingFunction, generic, textParameters } from "./parameters.ts";
import { attentionLayerHeads, stateMap } from "./state-space.ts";
import {
  arithmetic,
  attention,
  decoderEnds,
  gatedFeedForward,
  layerNorms,
  reshaped,
  same,
  sharedExpert,
} from "./tensors.ts";

const self = "model.layers.{layer}.self_attn";
const experts = "model.layers.{layer}.block_sparse_moe";

/** The group of settings of the gated delta attention. */
const linear = "linear_attn_config";

/** The layers are counted from one. */
function fullAttention(layer: number, config: Config): boolean {
  const layers = groupValue(config, linear, "full_attn_layers");
  return Array.isArray(layers) && layers.includes(layer + 1);
}

const heads = attentionLayerHeads(fullAttention, (full, draft) => {
  const numbered = (wanted: boolean): number[] =>
    full.flatMap((own, layer) => (own === wanted ? [layer + 1] : []));
  setInGroup(draft, linear, "full_attn_layers", numbered(true));
  setInGroup(draft, linear, "kda_layers", numbered(false));
});

export const kimiLinear: Architecture = {
  name: "kimi-linear",
  memory: { states: "without key heads" },
  classes: ["KimiLinearForCausalLM", "KimiLinearModel"],
  modelType: "kimi_linear",
  // the converter's transformers has no class for it
  defaults: {},
  parameters: [
    ...textParameters.map((rule) =>
      rule === generic.gatingFunction ? gatingFunction("moe_router_activation_func") : rule,
    ),
    generic.vocabularySize,
    {
      ...heads,
      // latent attention counts as one key-value head
      toGguf: (config, context) =>
        heads.toGguf(new Config(new Map([...config.values, ["num_key_value_heads", 1]])), context),
    },
    groupCount("~.ssm.conv_kernel", linear, "short_conv_kernel_size"),
    groupCount("~.kda.head_dim", linear, "head_dim"),
    count("~.attention.q_lora_rank", ["q_lora_rank"]),
    count("~.attention.kv_lora_rank", ["kv_lora_rank"]),
    count("~.rope.dimension_count", ["qk_rope_head_dim"]),
    derived("~.attention.key_length", (config) =>
      u32(config.need("kv_lora_rank") + config.need("qk_rope_head_dim")),
    ),
    derived("~.attention.key_length_mla", (config) =>
      u32(config.need("qk_nope_head_dim") + config.need("qk_rope_head_dim")),
    ),
    count("~.attention.value_length_mla", ["v_head_dim"]),
    generic.expertFeedForwardLength,
    sharedExpertCount("num_shared_experts"),
    leadingDenseCount("first_k_dense_replace"),
    expertWeightsScale("routed_scaling_factor"),
  ],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    ...attention(false),
    ...["q", "k", "v"].map((part) =>
      reshaped(
        `${self}.${part}_conv1d.weight`,
        `blk.{layer}.ssm_conv1d_${part}.weight`,
        ([channels = 1, ...rest]) => [1, channels, 1, rest.at(-1) ?? 1],
        ([, channels = 1, , width = 1]) => [channels, 1, width],
      ),
    ),
    arithmetic(`${self}.A_log`, "blk.{layer}.ssm_a", ...stateMap),
    same(`${self}.dt_bias`, "blk.{layer}.ssm_dt.bias"),
    same(`${self}.b_proj.weight`, "blk.{layer}.ssm_beta.weight"),
    ...["f_a", "f_b", "g_a", "g_b"].map((part) =>
      same(`${self}.${part}_proj.weight`, `blk.{layer}.ssm_${part}.weight`),
    ),
    same(`${self}.o_norm.weight`, "blk.{layer}.ssm_norm.weight"),
    same(`${self}.kv_a_proj_with_mqa.weight`, "blk.{layer}.attn_kv_a_mqa.weight"),
    same(`${self}.kv_a_layernorm.weight`, "blk.{layer}.attn_kv_a_norm.weight"),
    latentKeyValue,
    ...gatedFeedForward,
    numberedExperts(`${experts}.experts`),
    same(`${experts}.gate.weight`, "blk.{layer}.ffn_gate_inp.weight"),
    same(`${experts}.gate.e_score_correction_bias`, "blk.{layer}.exp_probs_b.bias"),
    ...sharedExpert(`${experts}.shared_experts`),
  ],
  tokenizer: {
    kinds: ["byte-bpe", "vocab-merges", "kimi"],
    after: [
      // the end that the tokenizer names, in place of the one that config.json names
      ({ files, tokenId }) => {
        const text = tokenText(files.tokenizerConfig?.["eos_token"]);
        const id = text === undefined ? undefined : tokenId(text);
        return id === undefined ? [] : [["tokenizer.ggml.eos_token_id", u32(id)]];
      },
    ],
  },
  finishConfig(draft) {
    const { values, parameter } = draft;
    const number = (key: string): number | undefined => numberOf(parameter(key));
    const all = number("~.attention.head_count") ?? 0;
    const rope = number("~.rope.dimension_count") ?? 0;
    setInGroup(draft, linear, "num_heads", all);
    values.set("num_key_value_heads", all);
    values.set("head_dim", number("~.attention.value_length") ?? null);
    values.set("qk_nope_head_dim", (number("~.attention.key_length_mla") ?? 0) - rope);
    values.set("q_lora_rank", number("~.attention.q_lora_rank") ?? null);
    values.set("num_experts", number("~.expert_count") ?? null);
    values.set("num_experts_per_token", number("~.expert_used_count") ?? null);
    for (const key of ["num_local_experts", "num_experts_per_tok"]) values.delete(key);
    values.set("num_expert_group", 1);
    values.set("use_grouped_topk", true);
    values.set("moe_renormalize", true);
    values.set("moe_layer_freq", 1);
    values.set("mla_use_nope", true);
    values.set("hidden_act", "silu");
  },
};
