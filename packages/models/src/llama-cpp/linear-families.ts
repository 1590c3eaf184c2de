/** What llama.cpp needs of the families in which most layers have linear attention: Qwen3-Next, Qwen3.5. */

import {
  attentionKeys,
  attnNorm,
  expertKeys,
  forwardKeys,
  fusableStacks,
  gated,
  headNorms,
  nextToken,
  output,
  projections,
  rmsEpsilon,
  ropeSections,
  router,
  sharedExpert,
  tiedEnds,
} from "./building-blocks.ts";
import { perLayer } from "./common-keys.ts";
import {
  type Condition,
  type FamilyNeeds,
  type JointNeed,
  type KeyNeed,
  may,
  mayKey,
  need,
  needKey,
  sameAs,
  type TensorNeed,
  unless,
  where,
} from "./rules.ts";
import type { Sizes } from "./sizes.ts";

const not =
  (condition: Condition): Condition =>
  (sizes, layer) =>
    !condition(sizes, layer);

const expertForwardKey = { list: { of: ["u32", "i32"] } } as const;
const dense = [rmsEpsilon, ...attentionKeys, ...forwardKeys];

/** Layers without attention: by a list, else all but every fourth. */
const isRecurrent: Condition = (sizes, layer) => {
  const stated = sizes.at("attention.recurrent_layers", layer);
  if (stated !== undefined) return stated !== 0;
  return (layer + 1) % (sizes.number("full_attention_interval") ?? 4) !== 0;
};

const linearKeys: readonly KeyNeed[] = [
  needKey("~.ssm.conv_kernel", "u32"),
  needKey("~.ssm.inner_size", "u32"),
  needKey("~.ssm.state_size", "u32"),
  needKey("~.ssm.time_step_rank", "u32"),
  needKey("~.ssm.group_count", "u32"),
  mayKey("~.attention.recurrent_layers", "u32", perLayer),
  mayKey("~.full_attention_interval", "u32", {
    when: (sizes) => sizes.number("attention.recurrent_layers") === undefined,
  }),
  mayKey("~.rope.dimension_count", "u32", {
    must: { be: "at least 1", holds: (value) => Number(value) >= 1 },
  }),
];

const linearJoint: readonly JointNeed[] = [
  sameAs("ssm.inner_size", "a state for each time step", (sizes) => {
    const [state, steps] = [sizes.number("ssm.state_size"), sizes.number("ssm.time_step_rank")];
    return state === undefined || steps === undefined ? undefined : state * steps;
  }),
];

const gatedAttention: readonly TensorNeed[] = where(not(isRecurrent), [
  ...projections("2 q"),
  output,
  ...headNorms,
]);

const linearAttention: readonly TensorNeed[] = where(isRecurrent, [
  need("ssm_conv1d.weight", "linear qkv", "convolution"),
  need("ssm_dt.bias", "time steps"),
  need("ssm_a", "time steps"),
  need("ssm_norm.weight", "state"),
  need("ssm_out.weight", "embd", "linear v"),
]);

/** Older files have one tensor for both. */
const linearInputs = [
  need("attn_qkv.weight", "linear qkv", "embd"),
  need("attn_gate.weight", "linear v", "embd"),
];

const bothNorms = [
  // without the first of all, the file is taken for one of blocks that predict, and these alone are required
  ...where((sizes, layer) => layer > 0 || !hasPredicting(sizes), [attnNorm]),
  ...where((sizes, layer) => layer === 0 && hasPredicting(sizes), [may("attn_norm.weight", "embd")]),
  need("post_attention_norm.weight", "embd"),
];

function hasPredicting(sizes: Sizes): boolean {
  return (sizes.number("nextn_predict_layers") ?? 0) > 0;
}

/** A block that predicts a further token: whole attention, and its inputs joined. No graph of the model itself uses it. */
function predictingWith(forward: readonly TensorNeed[]): readonly TensorNeed[] {
  return [
    ...nextToken,
    need("nextn.eh_proj.weight", "embd", "2 embd"),
    need("nextn.enorm.weight", "embd"),
    need("nextn.hnorm.weight", "embd"),
    attnNorm,
    need("post_attention_norm.weight", "embd"),
    ...projections("2 q"),
    output,
    ...headNorms,
    ...forward,
    // what may be fused is not missed there
  ].map((one) => (one.unless === undefined ? one : { ...one, optional: true }));
}

const expertsWithShared: readonly TensorNeed[] = [
  router,
  ...fusableStacks("expert ff or share", "2 expert ff or share"),
  need("ffn_gate_inp_shexp.weight", "embd"),
  ...sharedExpert("shared ff or ff"),
];

const moeKeys = [
  rmsEpsilon,
  ...attentionKeys,
  ...expertKeys,
  ...linearKeys,
  mayKey("~.expert_feed_forward_length", "u32", expertForwardKey),
  mayKey("~.expert_shared_feed_forward_length", "u32"),
];
/** One of the first three must turn (ggml, ggml_rope_multi). */
const neededSections: KeyNeed = {
  ...ropeSections,
  required: true,
  list: {
    of: ["i32", "u32"],
    length: 4,
    must: {
      be: "one of the first three above 0",
      holds: (values) => values.slice(0, 3).some((value) => value > 0),
    },
  },
};
const alphaAndBeta = where(isRecurrent, [
  ...linearInputs,
  need("ssm_beta.weight", "time steps", "embd"),
  need("ssm_alpha.weight", "time steps", "embd"),
]);

export const linearFamilies: Readonly<Record<string, FamilyNeeds>> = {
  qwen35: {
    keys: [...dense, ...linearKeys, neededSections],
    ends: tiedEnds,
    layer: [...bothNorms, ...gatedAttention, ...linearAttention, ...alphaAndBeta, ...gated],
    joint: linearJoint,
    predicting: predictingWith(gated),
  },
  qwen35moe: {
    keys: [...moeKeys, neededSections],
    ends: tiedEnds,
    layer: [...bothNorms, ...gatedAttention, ...linearAttention, ...alphaAndBeta, ...expertsWithShared],
    joint: linearJoint,
    predicting: predictingWith(expertsWithShared),
  },
  qwen3next: {
    keys: moeKeys,
    ends: tiedEnds,
    layer: [
      ...bothNorms,
      ...gatedAttention,
      ...linearAttention,
      ...where(isRecurrent, [
        may("ssm_in.weight", "linear qkvz", "embd"),
        ...unless("ssm_in.weight", linearInputs),
        need("ssm_ba.weight", "2 time steps", "embd"),
      ]),
      ...expertsWithShared,
    ],
    joint: linearJoint,
    predicting: predictingWith(expertsWithShared),
  },
};
