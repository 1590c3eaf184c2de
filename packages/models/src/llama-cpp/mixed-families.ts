/** What llama.cpp needs of the families whose layers differ: some with experts, some with windows or without attention. */

import {
  attentionKeys,
  attnNorm,
  embedding,
  expertKeys,
  expertStacks,
  ffnNorm,
  forwardKeys,
  fusableStacks,
  gated,
  headNorms,
  nextToken,
  output,
  outputNorm,
  ownEnds,
  passedOver,
  projections,
  rmsEpsilon,
  ropeSections,
  router,
  sharedExpert,
  slidingKeys,
  slidingPattern,
  squareOutput,
  tiedEnds,
} from "./building-blocks.ts";
import { aboveZero } from "./common-keys.ts";
import { linearFamilies } from "./linear-families.ts";
import { type Condition, type FamilyNeeds, may, mayKey, need, needKey, sameAs, where } from "./rules.ts";
import { isLatent, rotated, type Sizes } from "./sizes.ts";

const not =
  (condition: Condition): Condition =>
  (sizes, layer) =>
    !condition(sizes, layer);

const expertForwardKey = { list: { of: ["u32", "i32"] } } as const;
const dense = [rmsEpsilon, ...attentionKeys, ...forwardKeys];

const hasLeading = (sizes: Sizes): boolean => (sizes.number("leading_dense_block_count") ?? 0) > 0;
/** Layers before the first with experts. */
const isLeading: Condition = (sizes, layer) => layer < (sizes.number("leading_dense_block_count") ?? 0);

const gptOss: FamilyNeeds = {
  keys: [
    rmsEpsilon,
    ...attentionKeys,
    ...expertKeys,
    needKey("~.expert_feed_forward_length", "u32", expertForwardKey),
    needKey("~.attention.sliding_window", "u32"),
    ...slidingKeys.slice(1),
  ],
  ends: ownEnds,
  layer: [
    attnNorm,
    need("post_attention_norm.weight", "embd"),
    ...projections("turned q", "turned k", "turned k"),
    need("attn_output.weight", "embd", "turned q"),
    need("attn_output.bias", "embd"),
    need("attn_sinks.weight", "heads"),
    router,
    need("ffn_gate_inp.bias", "experts"),
    ...expertStacks("expert ff"),
    need("ffn_gate_exps.bias", "experts", "expert ff"),
    need("ffn_down_exps.bias", "experts", "embd"),
    need("ffn_up_exps.bias", "experts", "expert ff"),
  ],
};

/** Models of 26 and 27 layers, and one of 48, have no low-rank queries (deepseek2.cpp, is_lite). */
const isLite: Condition = (sizes) =>
  [26, 27].includes(sizes.trunk) || (sizes.trunk === 48 && sizes.vocabulary === 128256);
const hasQueryRank: Condition = (sizes, layer) =>
  !isLite(sizes, layer) && (sizes.number("attention.q_lora_rank") ?? 0) > 0;

const deepseek2Layer = [
  attnNorm,
  ...where(hasQueryRank, [
    need("attn_q_a_norm.weight", "q rank"),
    need("attn_q_a.weight", "q rank", "embd"),
    need("attn_q_b.weight", "latent q", "q rank"),
  ]),
  ...where(not(hasQueryRank), [need("attn_q.weight", "latent q", "embd")]),
  need("attn_kv_a_norm.weight", "kv rank"),
  need("attn_kv_a_mqa.weight", "kv rank + turned", "embd"),
  ...where(isLatent, [
    need("attn_k_b.weight", "heads", "kv rank", "unturned"),
    need("attn_v_b.weight", "heads", "latent v", "kv rank"),
  ]),
  ...where(not(isLatent), [need("attn_kv_b.weight", "latent kv", "kv rank")]),
  need("attn_output.weight", "embd", "latent o"),
  ffnNorm,
  ...where(isLeading, gated),
  ...where(not(isLeading), [
    router,
    may("exp_probs_b.bias", "experts"),
    ...fusableStacks("expert ff", "2 expert ff"),
    ...sharedExpert("shared experts"),
  ]),
];

const deepseek2: FamilyNeeds = {
  keys: [
    rmsEpsilon,
    ...attentionKeys,
    ...expertKeys,
    ...forwardKeys.map((rule) => ({ ...rule, when: hasLeading })),
    mayKey("~.vocab_size", "u32"),
    mayKey("~.leading_dense_block_count", "u32"),
    needKey("~.attention.q_lora_rank", "u32", { when: (sizes) => !isLite(sizes, 0) }),
    needKey("~.attention.kv_lora_rank", "u32"),
    mayKey("~.attention.key_length_mla", "u32"),
    mayKey("~.attention.value_length_mla", "u32"),
    // latent attention has a length of its own instead
    mayKey("~.attention.value_length", "u32", {
      must: { be: "at least 1", holds: (value, sizes) => isLatent(sizes) || Number(value) >= 1 },
    }),
    needKey("~.expert_feed_forward_length", "u32", expertForwardKey),
    needKey("~.expert_shared_count", "u32"),
    mayKey("~.expert_weights_scale", "f32"),
    mayKey("~.expert_weights_norm", "bool"),
    mayKey("~.expert_gating_func", "u32"),
    mayKey("~.rope.scaling.yarn_log_multiplier", "f32"),
    mayKey("~.attention.temperature_scale", "f32"),
    mayKey("~.attention.temperature_length", "u32"),
  ],
  ends: tiedEnds,
  layer: deepseek2Layer,
  predicting: passedOver(deepseek2Layer),

  unequalHeads: true,
  joint: [
    sameAs("attention.head_count_kv", "the one compressed key", (sizes) => (isLatent(sizes) ? 1 : undefined)),
    sameAs("attention.key_length", "the rank of the keys and their turned values", (sizes) => {
      const [rank, turned] = [sizes.number("attention.kv_lora_rank"), rotated(sizes)];
      return isLatent(sizes) && rank !== undefined && turned !== undefined ? rank + turned : undefined;
    }),
  ],
};

const hasSharedExperts: Condition = (sizes, layer) =>
  !isLeading(sizes, layer) && (sizes.number("expert_shared_count") ?? 0) > 0;

const glm4moeLayer = [
  attnNorm,
  ...projections(),
  output,
  may("attn_q_norm.weight", "head"),
  may("attn_k_norm.weight", "head"),
  need("post_attention_norm.weight", "embd"),
  ...where(isLeading, gated),
  ...where(not(isLeading), [
    router,
    need("exp_probs_b.bias", "experts"),
    ...expertStacks("expert ff or share"),
  ]),
  ...where(hasSharedExperts, sharedExpert("shared experts")),
];

const glm4moe: FamilyNeeds = {
  keys: [
    rmsEpsilon,
    ...attentionKeys,
    ...expertKeys,
    needKey("~.expert_feed_forward_length", "u32", expertForwardKey),
    ...forwardKeys.map((rule) => ({ ...rule, when: hasLeading })),
    ropeSections,
    needKey("~.expert_shared_count", "u32"),
    mayKey("~.leading_dense_block_count", "u32"),
    mayKey("~.expert_weights_scale", "f32"),
    mayKey("~.expert_weights_norm", "bool"),
    mayKey("~.expert_gating_func", "u32"),
  ],
  ends: tiedEnds,
  layer: glm4moeLayer,

  predicting: passedOver(glm4moeLayer),
};

/** Every n-th layer has experts; a step of 0 means none. */
const isExpertLayer: Condition = (sizes, layer) => {
  const step = sizes.number("interleave_moe_layer_step") ?? 0;
  return step > 0 && (layer + 1) % step === 0;
};

const llama4: FamilyNeeds = {
  keys: [
    rmsEpsilon,
    ...attentionKeys,
    ...expertKeys,
    needKey("~.expert_feed_forward_length", "u32", expertForwardKey),
    needKey("~.interleave_moe_layer_step", "u32"),
    ...slidingKeys,
  ],
  ends: [...tiedEnds, may("rope_freqs.weight", "half turned")],
  layer: [
    attnNorm,
    ...projections(),
    output,
    ffnNorm,
    ...where(isExpertLayer, [router, ...expertStacks("expert ff"), ...sharedExpert("expert ff")]),
    ...where(not(isExpertLayer), gated),
  ],
  wholeRope: true,
};

/** Attention of a layer with a window, of one without, of one that takes its keys from another. */
const hasOwnKeys: Condition = (sizes, layer) =>
  layer < sizes.trunk - (sizes.number("attention.shared_kv_layers") ?? 0);
const hasPerLayer = (sizes: Sizes): boolean => (sizes.number("embedding_length_per_layer_input") ?? 0) > 0;
const hasRouter: Condition = (sizes, layer) => sizes.hasTensor(`blk.${layer}.ffn_gate_inp.weight`);
const hasFullAttention: Condition = (sizes) =>
  Array.from({ length: sizes.trunk }, (_, layer) => layer).some((layer) => !sizes.isWindowed(layer));

const gemma4: FamilyNeeds = {
  keys: [
    ...dense,
    { ...slidingPattern, type: undefined, required: true },
    // at least two layers have keys of their own (src/models/gemma4.cpp)
    mayKey("~.attention.shared_kv_layers", "u32", {
      must: {
        be: "two less than the number of layers at most",
        holds: (value, sizes) => Number(value) === 0 || sizes.trunk - Number(value) >= 2,
      },
    }),
    mayKey("~.rope.freq_base_swa", "f32", aboveZero),
    mayKey("~.expert_feed_forward_length", "u32", expertForwardKey),
    needKey("~.attention.sliding_window", "u32"),
    needKey("~.embedding_length_per_layer_input", "u32"),
    needKey("~.attention.key_length_swa", "u32"),
    needKey("~.attention.value_length_swa", "u32"),
    mayKey("~.final_logit_softcapping", "f32"),
  ],
  ends: [
    ...tiedEnds,
    ...where(hasPerLayer, [
      need("per_layer_token_embd.weight", "vocab", "all per layer"),
      need("per_layer_model_proj.weight", "all per layer", "embd"),
      need("per_layer_proj_norm.weight", "per layer"),
    ]),
    ...where(hasFullAttention, [need("rope_freqs.weight", "half full head")]),
  ],
  layer: [
    attnNorm,
    need("attn_q.weight", "own q", "embd"),
    ...where(hasOwnKeys, [need("attn_k.weight", "own k", "embd"), need("attn_k_norm.weight", "own head")]),
    ...where(not(hasOwnKeys), [may("attn_k.weight", "own k", "embd"), may("attn_k_norm.weight", "own head")]),
    may("attn_v.weight", "own v", "embd"),
    need("attn_output.weight", "embd", "own q"),
    need("attn_q_norm.weight", "own head"),
    need("post_attention_norm.weight", "embd"),
    may("layer_output_scale.weight", "one"),
    ffnNorm,
    need("ffn_gate.weight", "own ff", "embd"),
    need("ffn_up.weight", "own ff", "embd"),
    need("ffn_down.weight", "embd", "own ff"),
    need("post_ffw_norm.weight", "embd"),
    may("ffn_gate_inp.weight", "experts", "embd"),
    ...where(hasRouter, [
      need("ffn_gate_inp.scale", "embd"),
      need("pre_ffw_norm_2.weight", "embd"),
      need("post_ffw_norm_1.weight", "embd"),
      need("post_ffw_norm_2.weight", "embd"),
      ...fusableStacks("expert ff", "2 expert ff"),
    ]),
    ...where(hasPerLayer, [
      need("inp_gate.weight", "per layer", "embd"),
      need("proj.weight", "embd", "per layer"),
      need("post_norm.weight", "embd"),
    ]),
  ],
  joint: [
    {
      key: "rope.dimension_count_swa",
      needed(sizes) {
        const most = sizes.number("attention.key_length_swa");
        const turned = sizes.number("rope.dimension_count_swa") ?? rotated(sizes);
        if (most === undefined || turned === undefined || (turned >= 1 && turned <= most)) return undefined;
        return `1 to ${most}, the length of a head in layers with windows`;
      },
    },
  ],
};

/** A layer without key heads is a convolution. */
const isConvolution: Condition = (sizes, layer) => sizes.at("attention.head_count_kv", layer) === 0;

const lfm2: FamilyNeeds = {
  keys: [
    rmsEpsilon,
    ...forwardKeys,
    ...attentionKeys.filter(({ key }) => key !== "~.attention.head_count_kv"),
    needKey("~.shortconv.l_cache", "u32"),
    mayKey("~.attention.sliding_window", "u32"),
  ],
  ends: [
    embedding,
    need("token_embd_norm.weight", "embd"),
    may("output.weight", "vocab", "embd"),
    may("dense_2.weight", "embd", "embd"),
    may("dense_2.bias", "embd"),
  ],
  layer: [
    attnNorm,
    ffnNorm,
    ...gated,
    ...where(not(isConvolution), [...headNorms, ...projections("embd", "own k", "own v"), squareOutput]),
    ...where(isConvolution, [
      need("shortconv.conv.weight", "embd", "short convolution"),
      need("shortconv.in_proj.weight", "3 embd", "embd"),
      need("shortconv.out_proj.weight", "embd", "embd"),
    ]),
  ],
};

/** Layers that predict a further token are loaded like all others. */
function withPredicting(family: FamilyNeeds): FamilyNeeds {
  return { ...family, predicting: [...nextToken, ...family.layer] };
}

export const mixedFamilies: Readonly<Record<string, FamilyNeeds>> = {
  "gpt-oss": gptOss,
  deepseek2,
  glm4moe,
  llama4,
  gemma4,
  lfm2,
  glm4: withPredicting({
    keys: [...dense, ropeSections],
    ends: tiedEnds,
    layer: [
      attnNorm,
      need("post_attention_norm.weight", "embd"),
      ...projections(),
      output,
      ffnNorm,
      need("ffn_down.weight", "embd", "ff"),
      need("ffn_up.weight", "2 ff", "embd"),
      need("post_ffw_norm.weight", "embd"),
    ],
  }),
  exaone4: withPredicting({
    keys: [...dense, mayKey("~.attention.sliding_window", "u32")],
    ends: [
      embedding,
      outputNorm,
      may("output.weight", "vocab", "embd"),
      may("rope_freqs.weight", "half turned"),
    ],
    layer: [
      ...projections("q", "v", "v"),
      squareOutput,
      need("post_attention_norm.weight", "embd"),
      ...headNorms,
      ...gated,
      need("post_ffw_norm.weight", "embd"),
    ],
    wholeRope: true,
  }),
  ...linearFamilies,
};
