/** Ling and Ring, called Bailing in their configs: fused q, k, v, experts with shared ones (llama.cpp, conversion/bailingmoe.py). */
import { UnsupportedError } from "@requant/core";
import type { Config } from "../config.ts";
import { f32, numberOf, u32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture, ConfigDraft, TensorRule } from "./architecture.ts";
import {
  expertWeightsNorm,
  expertWeightsScale,
  leadingDenseCount,
  sharedExpertCount,
} from "./expert-parameters.ts";
import { sharedExpertFeedForward } from "./expert-tensors.ts";
import {
  count,
  derived,
  fixed,
  gatingFunction,
  generic,
  partOfHeadRope,
  textParameters,
  wholeHeadRope,
} from "./parameters.ts";
import { nextTokenTensors, statedBlocks } from "./prediction.ts";
import { splitRows } from "./split-tensors.ts";
import { decoderEnds, keyHeads, layerNorms, queryHeads, same } from "./tensors.ts";

const keyRows = (config: Config): number => keyHeads(config) * config.headLength;

const sharedTensors: readonly TensorRule[] = [
  ...decoderEnds.slice(1),
  same("model.word_embeddings.weight", "token_embd.weight"),
  ...layerNorms,
  same("model.layers.{layer}.attention.dense.*", "blk.{layer}.attn_output.*"),
  ...sharedExpertFeedForward,
];

function finish({ values, ggufNames }: ConfigDraft, fused: string): void {
  values.set("use_qkv_bias", ggufNames.has(fused));
  values.set("use_bias", ggufNames.has("blk.0.attn_output.bias"));
  values.set("norm_head", false);
  values.set("hidden_act", "silu");
}

export const bailing: Architecture = {
  name: "bailingmoe",
  classes: ["BailingMoeForCausalLM"],
  modelType: "bailing_moe",
  // transformers has no class for it
  defaults: {},
  derive: [
    (values) => {
      if (values.get("norm_head") !== true) return;
      throw new UnsupportedError(
        "The config.json says norm_head: the head is divided by the norm of its columns, which is not converted.",
        {
          path: "config.json",
          hint: "Convert the model with llama.cpp's converter, and start from its F32 GGUF.",
        },
      );
    },
  ],
  parameters: [
    ...textParameters,
    wholeHeadRope,
    leadingDenseCount("first_k_dense_replace"),
    generic.vocabularySize,
    generic.expertFeedForwardLength,
    fixed("~.expert_weights_scale", f32(1)),
    sharedExpertCount("num_shared_experts"),
    expertWeightsNorm("norm_topk_prob"),
  ],
  tensors: [
    ...sharedTensors,
    splitRows("model.layers.{layer}.attention.query_key_value.*", [
      {
        gguf: "blk.{layer}.attn_q.*",
        rows: (config) => queryHeads(config) * config.headLength,
        rotaryHeads: queryHeads,
      },
      { gguf: "blk.{layer}.attn_k.*", rows: keyRows, rotaryHeads: keyHeads },
      { gguf: "blk.{layer}.attn_v.*", rows: keyRows },
    ]),
  ],
  tokenizer: byteBpe,
  finishConfig: (draft) => {
    const experts = numberOf(draft.parameter("~.expert_count"));
    draft.values.delete("num_local_experts");
    if (experts !== undefined) draft.values.set("num_experts", experts);
    finish(draft, "blk.0.attn_q.bias");
  },
};

export const bailing2: Architecture = {
  ...bailing,
  name: "bailingmoe2",
  classes: ["BailingMoeV2ForCausalLM"],
  derive: [],
  parameters: [
    statedBlocks,
    ...textParameters
      .slice(1)
      .map((rule) => (rule === generic.gatingFunction ? gatingFunction("score_function") : rule)),
    partOfHeadRope,
    leadingDenseCount("first_k_dense_replace"),
    generic.vocabularySize,
    generic.expertFeedForwardLength,
    derived(
      "~.expert_shared_feed_forward_length",
      (config) =>
        u32(
          config.count("moe_shared_expert_intermediate_size") ??
            config.need("moe_intermediate_size") * config.need("num_shared_experts"),
        ),
      (value, draft) => draft.values.set("moe_shared_expert_intermediate_size", numberOf(value) ?? null),
    ),
    expertWeightsScale("routed_scaling_factor"),
    sharedExpertCount("num_shared_experts"),
    expertWeightsNorm("norm_topk_prob"),
    count("~.nextn_predict_layers", ["num_nextn_predict_layers"]),
  ],
  tensors: [
    ...sharedTensors,
    same("model.layers.{layer}.attention.query_key_value.*", "blk.{layer}.attn_qkv.*"),
    same("model.layers.{layer}.attention.query_layernorm.weight", "blk.{layer}.attn_q_norm.weight"),
    same("model.layers.{layer}.attention.key_layernorm.weight", "blk.{layer}.attn_k_norm.weight"),
    same("model.layers.{layer}.mlp.gate.expert_bias", "blk.{layer}.exp_probs_b.bias"),
    ...nextTokenTensors,
    same("model.layers.{layer}.final_layernorm.weight", "blk.{layer}.layer_output_norm.weight"),
  ],
  finishConfig: (draft) => {
    bailing.finishConfig?.(draft);
    finish(draft, "blk.0.attn_qkv.bias");
    draft.values.set("use_qk_norm", draft.ggufNames.has("blk.0.attn_q_norm.weight"));
    draft.values.set(
      "moe_router_enable_expert_bias",
      [...draft.ggufNames].some((name) => name.endsWith(".exp_probs_b.bias")),
    );
  },
};
