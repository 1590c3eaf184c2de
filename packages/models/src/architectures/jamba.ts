/** Jamba: Mamba 1 and attention in turn, experts in every second layer (llama.cpp, conversion/jamba.py). */
import type { Config } from "../config.ts";
import { numberOf, u32 } from "../metadata-values.ts";
import { spacePrefix } from "../tokenizer/extras.ts";
import type { Architecture, ConfigDraft } from "./architecture.ts";
import { count, derived, deriveKeyValueHeads, generic } from "./parameters.ts";
import { attentionLayerHeads, mambaTensors } from "./state-space.ts";
import { attention, decoderEnds, layerNorms, same, separateExperts } from "./tensors.ts";

const layer = "model.layers.{layer}";

function hasAttention(layer: number, config: Config): boolean {
  const offset = config.need("attn_layer_offset");
  const period = config.need("attn_layer_period");
  return layer >= offset && period > 0 && (layer - offset) % period === 0;
}

/** The first of some layers, and how many layers follow from one to the next. */
function rhythm(layers: readonly number[], all: number): { offset: number; period: number } {
  const [first = all, second = first + Math.max(all, 1)] = layers;
  return { offset: first, period: second - first };
}

function finish({ values, parameter, ggufNames }: ConfigDraft): void {
  const all = numberOf(parameter("~.block_count")) ?? 0;
  const layers = Array.from({ length: all }, (_, layer) => layer);
  const withExperts = layers.filter((one) => ggufNames.has(`blk.${one}.ffn_gate_inp.weight`));
  const { offset, period } = rhythm(withExperts, all);
  values.set("expert_layer_offset", offset);
  values.set("expert_layer_period", period);
  const inner = numberOf(parameter("~.ssm.inner_size")) ?? 0;
  values.set("mamba_expand", inner / (numberOf(parameter("~.embedding_length")) ?? 1));
  values.set("mamba_conv_bias", ggufNames.has("blk.0.ssm_conv1d.bias"));
  values.set("mamba_proj_bias", ggufNames.has("blk.0.ssm_in.bias"));
}

export const jamba: Architecture = {
  name: "jamba",
  memory: { states: "without key heads", residualFirst: "both", rotates: () => false },
  classes: ["JambaForCausalLM"],
  modelType: "jamba",
  defaults: {
    attn_layer_offset: 4,
    attn_layer_period: 8,
    bos_token_id: 1,
    eos_token_id: 2,
    expert_layer_offset: 1,
    expert_layer_period: 2,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 14336,
    mamba_conv_bias: true,
    mamba_d_conv: 4,
    mamba_d_state: 16,
    mamba_expand: 2,
    mamba_proj_bias: false,
    max_position_embeddings: 262144,
    num_attention_heads: 32,
    num_experts: 16,
    num_experts_per_tok: 2,
    num_hidden_layers: 32,
    num_key_value_heads: 8,
    pad_token_id: 0,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    vocab_size: 65536,
  },
  hasRope: false,
  derive: [deriveKeyValueHeads],
  parameters: [
    generic.blockCount,
    generic.contextLength,
    generic.embeddingLength,
    generic.feedForwardLength,
    generic.headCount,
    attentionLayerHeads(hasAttention, (own, draft) => {
      const layers = own.flatMap((has, layer) => (has ? [layer] : []));
      const { offset, period } = rhythm(layers, own.length);
      draft.values.set("attn_layer_offset", offset);
      draft.values.set("attn_layer_period", period);
    }),
    count("~.ssm.conv_kernel", ["mamba_d_conv"]),
    derived("~.ssm.inner_size", (config) => u32(config.need("mamba_expand") * config.need("hidden_size"))),
    count("~.ssm.state_size", ["mamba_d_state"]),
    derived(
      "~.ssm.time_step_rank",
      (config) => {
        const rank = config.get("mamba_dt_rank");
        return u32(typeof rank === "number" ? rank : Math.ceil(config.need("hidden_size") / 16));
      },
      (value, draft) => draft.values.set("mamba_dt_rank", numberOf(value) ?? "auto"),
    ),
    generic.rmsEpsilon,
    generic.expertCount,
    generic.expertUsedCount,
    generic.fileType,
  ],
  tensors: [
    ...decoderEnds.filter(({ hf }) => hf[0] !== "model.norm.*"),
    same("model.final_layernorm.weight", "output_norm.weight"),
    ...layerNorms.slice(0, 1),
    same(`${layer}.pre_ff_layernorm.weight`, "blk.{layer}.ffn_norm.weight"),
    ...attention(false),
    ...mambaTensors(`${layer}.mamba`),
    ...["dt", "b", "c"].map((part) =>
      same(`${layer}.mamba.${part}_layernorm.weight`, `blk.{layer}.ssm_${part}_norm.weight`),
    ),
    ...["gate", "up", "down"].map((part) =>
      same(`${layer}.feed_forward.${part}_proj.weight`, `blk.{layer}.ffn_${part}.weight`),
    ),
    separateExperts(`${layer}.feed_forward.experts`),
    same(`${layer}.feed_forward.router.weight`, "blk.{layer}.ffn_gate_inp.weight"),
  ],
  tokenizer: {
    kinds: ["sentencepiece", "sentencepiece-json"],
    after: [(context) => (context.files.tokenizerModel === undefined ? spacePrefix(false)(context) : [])],
    json: "llama",
  },
  finishConfig: finish,
};
