/**
 * Granite 4 and Bamba: Mamba 2 and attention in turn, with or without experts (llama.cpp, conversion/granite.py). A Granite 4
 * without Mamba layers has the GGUF names of Granite 3.
 */
import type { Config } from "../config.ts";
import { textConfig } from "../hf-files.ts";
import { arrayField, type JsonObject, numberField } from "../json.ts";
import { bool, boolOf, numberOf, u32 } from "../metadata-values.ts";
import { sentencePieceOrBpe } from "../tokenizer/extras.ts";
import type { Architecture, ConfigDraft, ParameterRule, TensorRule } from "./architecture.ts";
import { graniteExperts, graniteParameters, graniteSharedMlp, multipliers, sharedLength } from "./granite.ts";
import { llamaParameters } from "./llama.ts";
import { count, derived, deriveKeyValueHeads, fixed } from "./parameters.ts";
import { attentionLayerHeads, mamba2Tensors } from "./state-space.ts";
import { attention, decoderEnds, layerNorms, same } from "./tensors.ts";

/** What llama.cpp's converter writes for a model that does not rotate. */
const endless = 2 ** 20;

const mambaDefaults = {
  mamba_chunk_size: 256,
  mamba_conv_bias: true,
  mamba_d_conv: 4,
  mamba_d_head: 64,
  mamba_d_state: 256,
  mamba_expand: 2,
  mamba_n_groups: 1,
  mamba_n_heads: 128,
  mamba_proj_bias: false,
};

const innerLength = (config: Config): number => config.need("mamba_expand") * config.need("hidden_size");

const mambaParameters: readonly ParameterRule[] = [
  count("~.ssm.conv_kernel", ["mamba_d_conv"]),
  count("~.ssm.state_size", ["mamba_d_state"]),
  count("~.ssm.group_count", ["mamba_n_groups"]),
  derived("~.ssm.inner_size", (config) => u32(innerLength(config))),
  count("~.ssm.time_step_rank", ["mamba_n_heads"]),
];

const mambaTensors: readonly TensorRule[] = mamba2Tensors("model.layers.{layer}.mamba", (config) =>
  config.need("mamba_n_groups"),
);

function finishMamba({ values, parameter, ggufNames, shapeOf }: ConfigDraft): void {
  const inner = numberOf(parameter("~.ssm.inner_size")) ?? 0;
  values.set("mamba_expand", inner / (numberOf(parameter("~.embedding_length")) ?? 1));
  values.set("mamba_d_head", inner / (numberOf(parameter("~.ssm.time_step_rank")) ?? 1));
  const names = [...ggufNames];
  const layer = /^blk\.\d+\.ssm_in\.weight$/;
  const first = names.find((name) => layer.test(name))?.replace("ssm_in.weight", "");
  if (first === undefined) return;
  values.set("mamba_conv_bias", shapeOf(`${first}ssm_conv1d.bias`) !== undefined);
  values.set("mamba_proj_bias", shapeOf(`${first}ssm_in.bias`) !== undefined);
}

function granite4(name: string, own: Pick<Architecture, "claims" | "recognises">): Architecture {
  const isHybrid = name === "granitehybrid";
  return {
    name,
    classes: ["GraniteMoeHybridForCausalLM"],
    modelType: "granitemoehybrid",
    defaults: {
      attention_bias: false,
      ...multipliers,
      bos_token_id: 1,
      eos_token_id: 2,
      hidden_act: "silu",
      hidden_size: 4096,
      intermediate_size: 11008,
      ...mambaDefaults,
      max_position_embeddings: 2048,
      num_attention_heads: 32,
      num_experts_per_tok: 2,
      num_hidden_layers: 32,
      num_key_value_heads: 32,
      num_local_experts: 8,
      pad_token_id: null,
      position_embedding_type: null,
      rms_norm_eps: 1e-6,
      rope_parameters: { rope_theta: 10000, rope_type: "default" },
      shared_intermediate_size: 1024,
      tie_word_embeddings: false,
      vocab_size: 32000,
    },
    derive: [deriveKeyValueHeads, (values) => values.delete("head_dim")],
    parameters: [
      ...graniteParameters,
      sharedLength,
      ...mambaParameters,
      attentionLayerHeads(isAttention, (hasAttention, draft) =>
        draft.values.set(
          "layer_types",
          hasAttention.map((own) => (own ? "attention" : "mamba")),
        ),
      ),
      fixed("~.rope.scaling.finetuned", bool(!isHybrid)),
      derived("~.context_length", () => (isHybrid ? u32(endless) : undefined)),
    ],
    tensors: [
      ...decoderEnds,
      ...layerNorms,
      ...attention(true),
      ...mambaTensors,
      ...graniteExperts,
      ...graniteSharedMlp,
    ],
    tokenizer: sentencePieceOrBpe,
    finishConfig(draft) {
      finishMamba(draft);
      draft.values.set("position_embedding_type", isHybrid ? "nope" : "rope");
      if (isHybrid)
        draft.assume("max_position_embeddings", endless, "llama.cpp's converter writes it for every model");
    },
    ...own,
  };
}

/** The layers with attention: by their types, by their numbers, or every so many from one on. */
function attentionLayers(config: JsonObject): ReadonlySet<number> {
  const types = arrayField(config, "layer_types");
  if (types !== undefined) {
    return new Set(types.flatMap((type, layer) => (type === "attention" ? [layer] : [])));
  }
  const given = arrayField(config, "attn_layer_indices") ?? [];
  if (given.length > 0) return new Set(given.filter((layer): layer is number => typeof layer === "number"));
  const period = numberField(config, "attn_layer_period") ?? 0;
  const layers = numberField(config, "num_hidden_layers") ?? 0;
  const found = new Set<number>();
  const offset = numberField(config, "attn_layer_offset") ?? 0;
  if (period >= 1) for (let layer = offset; layer < layers; layer += period) found.add(layer);
  return found;
}

const isAttention = (layer: number, config: Config): boolean =>
  attentionLayers(Object.fromEntries(config.values)).has(layer);

const setting = (config: JsonObject, name: string): number => numberField(textConfig(config), name) ?? 0;
const hasMamba = (config: JsonObject): boolean =>
  attentionLayers(textConfig(config)).size < setting(config, "num_hidden_layers");
const choosesExperts = (config: JsonObject): boolean => setting(config, "num_experts_per_tok") > 0;

export const graniteHybrid: Architecture = granite4("granitehybrid", { claims: hasMamba });

export const granite4Dense: Architecture = granite4("granite", {
  claims: (config) => !hasMamba(config) && !choosesExperts(config),
  recognises: (metadata) => metadata.has("granite.ssm.conv_kernel"),
});

export const granite4Moe: Architecture = granite4("granitemoe", {
  claims: (config) => !hasMamba(config) && choosesExperts(config),
  recognises: (metadata) => metadata.has("granitemoe.ssm.conv_kernel"),
});

export const bamba: Architecture = {
  name: "granitehybrid",
  memory: {
    states: "without key heads",
    rotates: (sizes) => sizes.flag("rope.scaling.finetuned") !== false,
  },
  classes: ["BambaForCausalLM"],
  modelType: "bamba",
  defaults: {
    attention_bias: false,
    bos_token_id: 1,
    eos_token_id: 2,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 14336,
    ...mambaDefaults,
    max_position_embeddings: 262144,
    mlp_bias: false,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 8,
    pad_token_id: 0,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 10000, partial_rotary_factor: 0.5, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 128000,
  },
  derive: [deriveKeyValueHeads, (values) => values.delete("head_dim")],
  parameters: [
    ...llamaParameters,
    ...mambaParameters,
    derived(
      "~.rope.dimension_count",
      (config) => {
        const rotated = config.count("attn_rotary_emb") ?? 0;
        return rotated === 0 ? undefined : u32(rotated);
      },
      (value, draft) => draft.values.set("attn_rotary_emb", numberOf(value) ?? null),
    ),
    attentionLayerHeads(isAttention, (hasAttention, draft) =>
      draft.values.set(
        "attn_layer_indices",
        hasAttention.flatMap((own, layer) => (own ? [layer] : [])),
      ),
    ),
    fixed("~.rope.scaling.finetuned", bool(true)),
  ],
  tensors: [
    ...decoderEnds.filter(({ hf }) => hf[0] !== "model.norm.*"),
    same("model.final_layernorm.weight", "output_norm.weight"),
    ...layerNorms.slice(0, 1),
    same("model.layers.{layer}.pre_ff_layernorm.weight", "blk.{layer}.ffn_norm.weight"),
    ...attention(true),
    ...mambaTensors,
    ...["gate", "up", "down"].map((part) =>
      same(`model.layers.{layer}.feed_forward.${part}_proj.*`, `blk.{layer}.ffn_${part}.*`),
    ),
  ],
  tokenizer: sentencePieceOrBpe,
  finishConfig: finishMamba,
  recognises: (metadata) => boolOf(metadata.get("granitehybrid.rope.scaling.finetuned")) === true,
};
