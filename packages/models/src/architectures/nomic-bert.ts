/**
 * Nomic-BERT, with and without experts, and jina-embeddings-v3, whose layers have its names: fused q, k, v with rotary
 * positions (llama.cpp, conversion/bert.py and models/nomic-bert.cpp, models/jina-bert-v3.cpp).
 */
import { FormatError } from "@requant/core";
import type { ConfigValues } from "../config.ts";
import { field } from "../json.ts";
import { numberOf } from "../metadata-values.ts";
import type { Architecture, ConfigDraft, TensorRule } from "./architecture.ts";
import {
  encoderParameters,
  finishEncoder,
  headPrefix,
  notConverted,
  tokenEmbeddings,
  wordPiece,
  xlmRoberta,
  xlmUnigram,
} from "./bert.ts";
import { expertMatrix } from "./fused-experts.ts";
import { count } from "./parameters.ts";
import { routedExperts, same } from "./tensors.ts";

const layer = "encoder.layers.{layer}";

function layers(attention: string): readonly TensorRule[] {
  return [
    ...tokenEmbeddings,
    same("emb_ln.*", "token_embd_norm.*"),
    same(`${layer}.${attention}.Wqkv.*`, "blk.{layer}.attn_qkv.*"),
    same(`${layer}.${attention}.out_proj.*`, "blk.{layer}.attn_output.*"),
    same(`${layer}.norm1.*`, "blk.{layer}.attn_output_norm.*"),
    same(`${layer}.mlp.fc2.*`, "blk.{layer}.ffn_down.*"),
    same(`${layer}.norm2.*`, "blk.{layer}.layer_output_norm.*"),
  ];
}

/** The positions that a model was trained for, by the number in its config. */
const trainedPositions: readonly (readonly [stated: number, trained: number])[] = [
  [8192, 2048],
  [2048, 512],
];

function derivePositions(values: ConfigValues): void {
  const stated = values.get("n_positions");
  const trained = trainedPositions.find(([number]) => number === stated)?.[1];
  const longest = values.get("max_trained_positions") ?? 2048;
  if (trained === undefined || longest !== 2048) {
    throw new FormatError(
      `The config.json gives ${String(stated)} positions, of which ${String(longest)} were trained; the published models have 8192 or 2048, and 2048.`,
      { path: "config.json", hint: "Give a GGUF of the same model as `like`: its metadata is taken." },
    );
  }
  values.set("n_positions", trained);
}

function finishNomic(draft: ConfigDraft): void {
  finishEncoder(draft);
  const { values } = draft;
  const length = numberOf(draft.parameter("~.context_length"));
  const stated = trainedPositions.find(([, trained]) => trained === length)?.[0] ?? length ?? 0;
  values.set("n_positions", stated);
  values.delete("max_position_embeddings");
  values.set("max_trained_positions", 2048);
  const theta = numberOf(draft.parameter("~.rope.freq_base")) ?? 10000;
  values.set("rotary_emb_base", theta);
  values.delete("rope_parameters");
  values.set("auto_map", {
    AutoConfig: "nomic-ai/nomic-bert-2048--configuration_hf_nomic_bert.NomicBertConfig",
    AutoModel: "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBertModel",
  });
}

/** Settings that are the same in all published models; llama.cpp's converter refuses others. */
const alike = {
  causal: false,
  prenorm: false,
  rotary_emb_fraction: 1,
  rotary_emb_interleaved: false,
  rotary_emb_scale_base: null,
};

export const nomicBert: Architecture = {
  name: "nomic-bert",
  memory: { keepsNothing: true },
  classes: ["NomicBertModel"],
  modelType: "nomic_bert",
  // transformers names the settings otherwise than the models' own code, which is followed here
  defaults: {},
  aliases: { rotary_emb_base: "rope_theta" },
  spellings: ["n_embd", "n_head", "n_inner", "n_layer", "layer_norm_epsilon"],
  derive: [derivePositions],
  claims: (config) => !field(config, "moe_every_n_layers"),
  parameters: encoderParameters,
  names: headPrefix("bert.", true),
  tensors: [
    ...layers("attn"),
    same(`${layer}.mlp.fc11.*`, "blk.{layer}.ffn_up.*"),
    same(`${layer}.mlp.fc12.*`, "blk.{layer}.ffn_gate.*"),
  ],
  leftOut: notConverted,
  tokenizer: { ...wordPiece, kinds: [...wordPiece.kinds] },
  finishConfig(draft) {
    finishNomic(draft);
    const biased = draft.ggufNames.has("blk.0.attn_qkv.bias");
    for (const [key, value] of Object.entries(alike)) draft.values.set(key, value);
    for (const key of ["qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias"]) draft.values.set(key, biased);
    draft.values.set("activation_function", "swiglu");
  },
};

export const nomicBertMoe: Architecture = {
  ...nomicBert,
  name: "nomic-bert-moe",
  claims: (config) => Boolean(field(config, "moe_every_n_layers")),
  parameters: [
    ...encoderParameters,
    count("~.moe_every_n_layers", ["moe_every_n_layers"]),
    count("~.expert_used_count", ["moe_top_k"]),
  ],
  tensors: [
    ...layers("attn"),
    same(`${layer}.mlp.fc1.*`, "blk.{layer}.ffn_up.*"),
    same(`${layer}.mlp.router.layer.weight`, "blk.{layer}.ffn_gate_inp.weight"),
    expertMatrix(`${layer}.mlp.experts.mlp.w1`, "blk.{layer}.ffn_up_exps.weight", routedExperts),
    expertMatrix(
      `${layer}.mlp.experts.mlp.w2`,
      "blk.{layer}.ffn_down_exps.weight",
      routedExperts,
      "transposed",
    ),
  ],
  leftOut: [
    ...notConverted,
    { pattern: /\.mlp\.experts\.bias$/, reason: "llama.cpp computes these experts without a bias" },
  ],
  tokenizer: xlmUnigram,
  finishConfig(draft) {
    finishNomic(draft);
    for (const [key, value] of Object.entries(alike)) draft.values.set(key, value);
    for (const key of ["qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias"]) draft.values.set(key, true);
    draft.values.set("activation_function", "gelu");
    draft.values.set("num_experts", numberOf(draft.parameter("~.expert_count")) ?? 0);
    draft.values.set("moe_top_k", numberOf(draft.parameter("~.expert_used_count")) ?? 1);
    for (const key of ["num_local_experts", "num_experts_per_tok"]) draft.values.delete(key);
  },
};

export const jinaBertV3: Architecture = {
  ...xlmRoberta,
  name: "jina-bert-v3",
  claims: (config) => Array.isArray(field(config, "lora_adaptations")),
  hasRope: true,
  aliases: { rotary_emb_base: "rope_theta" },
  names: {
    toRules: (name) =>
      name
        .replace(/^roberta\./, "")
        .replace(".parametrizations.", ".")
        .replace(/\.original$/, ""),
    fromRules: (name) => name,
  },
  tensors: [...layers("mixer"), same(`${layer}.mlp.fc1.*`, "blk.{layer}.ffn_up.*")],
  leftOut: [
    {
      pattern: /\.lora_[AB]$/,
      reason: "the adapter of a task: the GGUF holds the model without any, which is how llama.cpp reads it",
    },
    ...notConverted,
  ],
  recognises: () => true,
  notBack: "its checkpoints hold adapters for single tasks, which the GGUF does not have",
};
