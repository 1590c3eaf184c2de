/**
 * What llama.cpp needs of each family: a row for each `general.architecture` (llama.cpp v0.5.0, src/models/*.cpp, load_arch_hparams
 * and load_arch_tensors). `docs/doctor.md` is measured against the program itself.
 */
import {
  attentionKeys,
  attnNorm,
  embedding,
  expertKeys,
  expertStacks,
  ffnNorm,
  forwardKeys,
  gated,
  gatedBiases,
  headNorms,
  longFactors,
  meanNorm,
  normEpsilon,
  onlyEmbedding,
  output,
  ownEnds,
  projections,
  rmsEpsilon,
  ropeFactors,
  ropeSections,
  router,
  sharedExpert,
  slidingKeys,
  squareOutput,
  squareProjections,
  tiedEnds,
} from "./building-blocks.ts";
import { aboveZero, notZero } from "./common-keys.ts";
import { mixedFamilies } from "./mixed-families.ts";
import { type FamilyNeeds, may, mayKey, need, needKey, where } from "./rules.ts";
import type { Sizes } from "./sizes.ts";

const dense = [rmsEpsilon, ...attentionKeys, ...forwardKeys];
const denseWithMean = [normEpsilon, ...attentionKeys, ...forwardKeys];

const hasExperts = (sizes: Sizes): boolean => (sizes.number("expert_count") ?? 0) > 0;
const hasShared = (sizes: Sizes): boolean =>
  hasExperts(sizes) && (sizes.number("expert_shared_feed_forward_length") ?? 0) > 0;

/** Llama and what is built like it: dense, or all layers with experts. */
const llamaLayer = [
  attnNorm,
  ...projections(),
  output,
  may("attn_output.bias", "embd"),
  ffnNorm,
  ...where((sizes) => !hasExperts(sizes), [...gated, ...gatedBiases]),
  ...where(hasExperts, [
    router,
    may("ffn_gate_exps.weight", "experts", "ff", "embd"),
    need("ffn_down_exps.weight", "experts", "embd", "ff"),
    need("ffn_up_exps.weight", "experts", "ff", "embd"),
  ]),
  ...where(hasShared, sharedExpert("shared ff")),
];

const llama: FamilyNeeds = {
  keys: [...dense, mayKey("~.vocab_size", "u32")],
  ends: [...tiedEnds, ...ropeFactors],
  layer: llamaLayer,
  wholeRope: true,
};

const graniteKeys = [
  ...dense,
  needKey("~.logit_scale", "f32", notZero),
  mayKey("~.residual_scale", "f32"),
  mayKey("~.embedding_scale", "f32"),
  mayKey("~.attention.scale", "f32"),
  mayKey("~.expert_shared_feed_forward_length", "u32"),
];

const twoExpertKeys = [
  mayKey("~.expert_feed_forward_length", "u32", { list: { of: ["u32", "i32"] } }),
  mayKey("~.expert_shared_feed_forward_length", "u32"),
];

export const families: Readonly<Record<string, FamilyNeeds>> = {
  ...mixedFamilies,
  llama,
  mistral3: {
    ...llama,
    keys: [
      ...dense,
      mayKey("~.attention.temperature_scale", "f32"),
      // the scaling begins there (src/models/mistral3.cpp)
      mayKey("~.rope.scaling.original_context_length", "u32", {
        must: {
          be: "at least 1 beside attention.temperature_scale",
          holds: (value, sizes) =>
            Number(value) >= 1 || (sizes.number("attention.temperature_scale") ?? 0) === 0,
        },
      }),
      mayKey("~.rope.scaling.yarn_beta_fast", "f32"),
      mayKey("~.rope.scaling.yarn_beta_slow", "f32"),
      mayKey("~.rope.scaling.yarn_log_multiplier", "f32"),
    ],
  },
  granite: { ...llama, keys: graniteKeys },
  granitemoe: {
    keys: graniteKeys,
    ends: [...tiedEnds, ...ropeFactors],
    layer: llamaLayer,
  },
  smollm3: {
    keys: dense,
    ends: tiedEnds,
    layer: [attnNorm, ...projections(), output, ffnNorm, ...gated],
    wholeRope: true,
  },
  ernie4_5: {
    keys: [...dense, ropeSections],
    ends: tiedEnds,
    layer: [
      attnNorm,
      ...projections("q", "v", "v"),
      output,
      may("attn_output.bias", "embd"),
      ffnNorm,
      ...gated,
    ],
    wholeRope: true,
  },
  qwen2: {
    keys: dense,
    ends: [...tiedEnds, may("output.bias", "vocab")],
    layer: [attnNorm, ...squareProjections, squareOutput, ffnNorm, ...gated],
    wholeRope: true,
  },
  qwen3: {
    keys: dense,
    ends: [...tiedEnds, may("cls.output.weight", "labels", "embd")],
    layer: [attnNorm, ...projections("q", "v", "v"), output, ...headNorms, ffnNorm, ...gated],
    wholeRope: true,
  },
  qwen2moe: {
    keys: [rmsEpsilon, ...attentionKeys, ...expertKeys, ...twoExpertKeys],
    ends: ownEnds,
    layer: [
      attnNorm,
      ...squareProjections,
      squareOutput,
      ffnNorm,
      router,
      ...expertStacks("expert ff or share"),
      need("ffn_gate_inp_shexp.weight", "embd"),
      ...sharedExpert("shared ff or ff"),
    ],
    wholeRope: true,
  },
  qwen3moe: {
    keys: [rmsEpsilon, ...attentionKeys, ...expertKeys, ...twoExpertKeys.slice(0, 1)],
    ends: tiedEnds,
    layer: [
      attnNorm,
      ...projections("q", "v", "v"),
      output,
      ...headNorms,
      ffnNorm,
      router,
      ...expertStacks("expert ff or share"),
    ],
    wholeRope: true,
  },
  qwen: {
    keys: dense,
    ends: ownEnds,
    layer: [
      attnNorm,
      need("attn_qkv.weight", "3 embd", "embd"),
      need("attn_qkv.bias", "3 embd"),
      squareOutput,
      ffnNorm,
      need("ffn_gate.weight", "half ff", "embd"),
      need("ffn_down.weight", "embd", "half ff"),
      need("ffn_up.weight", "half ff", "embd"),
    ],
  },
  gemma: {
    keys: dense,
    ends: onlyEmbedding,
    layer: [attnNorm, ...projections(), output, ffnNorm, ...gated],
    unequalHeads: true,
  },
  gemma2: {
    keys: [
      ...dense,
      ...slidingKeys,
      // a window of none masks everything
      mayKey("~.attention.sliding_window", "u32", aboveZero),
      mayKey("~.attn_logit_softcapping", "f32", notZero),
      mayKey("~.final_logit_softcapping", "f32"),
    ],
    ends: onlyEmbedding,
    layer: [
      attnNorm,
      ...projections(),
      output,
      need("post_attention_norm.weight", "embd"),
      ffnNorm,
      ...gated,
      need("post_ffw_norm.weight", "embd"),
    ],
    unequalHeads: true,
  },
  gemma3: {
    keys: [...dense, ...slidingKeys, mayKey("~.final_logit_softcapping", "f32")],
    ends: tiedEnds,
    layer: [
      attnNorm,
      ...projections(),
      output,
      need("post_attention_norm.weight", "embd"),
      ...headNorms,
      ffnNorm,
      ...gated,
      need("post_ffw_norm.weight", "embd"),
    ],
    unequalHeads: true,
  },
  phi3: {
    keys: [...dense, mayKey("~.attention.sliding_window", "u32")],
    ends: [...tiedEnds, ...longFactors()],
    layer: [
      attnNorm,
      ...squareProjections,
      squareOutput,
      ffnNorm,
      need("ffn_down.weight", "embd", "ff"),
      need("ffn_up.weight", "2 ff", "embd"),
    ],
  },
  phi2: {
    keys: denseWithMean,
    ends: [
      embedding,
      ...meanNorm("output_norm"),
      need("output.weight", "vocab", "embd"),
      need("output.bias", "vocab"),
    ],
    layer: [
      ...meanNorm("attn_norm"),
      ...squareProjections,
      squareOutput,
      need("attn_output.bias", "embd"),
      need("ffn_down.weight", "embd", "ff"),
      need("ffn_down.bias", "embd"),
      need("ffn_up.weight", "ff", "embd"),
      need("ffn_up.bias", "ff"),
    ],
  },
  ...fusedWithBiases(),
  olmo2: {
    keys: [...dense, ...slidingKeys],
    ends: ownEnds,
    layer: [
      ...squareProjections,
      squareOutput,
      need("attn_q_norm.weight", "embd"),
      need("attn_k_norm.weight", "k"),
      need("post_attention_norm.weight", "embd"),
      ...gated,
      need("post_ffw_norm.weight", "embd"),
    ],
    wholeRope: true,
  },
  cohere2: {
    keys: [
      ...denseWithMean,
      ...slidingKeys.slice(1),
      needKey("~.attention.sliding_window", "u32"),
      needKey("~.logit_scale", "f32"),
    ],
    ends: onlyEmbedding,
    layer: [attnNorm, ...squareProjections, squareOutput, ...gated],
  },
  starcoder2: {
    keys: denseWithMean,
    ends: [embedding, ...meanNorm("output_norm"), may("output.weight", "vocab", "embd")],
    layer: [
      ...meanNorm("attn_norm"),
      ...squareProjections,
      squareOutput,
      need("attn_output.bias", "embd"),
      ...meanNorm("ffn_norm"),
      need("ffn_down.weight", "embd", "ff"),
      need("ffn_up.weight", "ff", "embd"),
      need("ffn_down.bias", "embd"),
      need("ffn_up.bias", "ff"),
    ],
    wholeRope: true,
  },
  stablelm: {
    keys: denseWithMean,
    ends: [embedding, ...meanNorm("output_norm"), need("output.weight", "vocab", "embd")],
    layer: [
      ...meanNorm("attn_norm"),
      ...squareProjections,
      squareOutput,
      may("attn_q_norm.weight", "heads", "head"),
      may("attn_k_norm.weight", "key heads", "head"),
      may("ffn_norm.weight", "embd"),
      may("ffn_norm.bias", "embd"),
      ...gated,
    ],
  },
  internlm2: {
    keys: dense,
    ends: ownEnds,
    layer: [attnNorm, ...squareProjections, squareOutput, ffnNorm, ...gated],
    wholeRope: true,
  },
  baichuan: {
    keys: dense,
    ends: ownEnds,
    layer: [attnNorm, ...squareProjections, squareOutput, ffnNorm, ...gated],
    wholeRope: true,
  },
  bert: {
    keys: [...denseWithMean, needKey("tokenizer.ggml.token_type_count", "u32")],
    ends: [
      embedding,
      may("token_types.weight", "token types", "embd"),
      need("position_embd.weight", "context", "embd"),
      may("cls.weight", "embd", "embd"),
      may("cls.bias", "embd"),
      may("cls.output.weight", "labels", "embd"),
      may("cls.output.bias", "labels"),
      ...meanNorm("token_embd_norm"),
    ],
    layer: [
      ...squareProjections,
      squareOutput,
      may("attn_output.bias", "embd"),
      ...meanNorm("attn_output_norm"),
      need("ffn_up.weight", "ff", "embd"),
      may("ffn_up.bias", "ff"),
      need("ffn_down.weight", "embd", "ff"),
      may("ffn_down.bias", "embd"),
      ...meanNorm("layer_output_norm"),
    ],
  },
};

/** GPT-2 and GPT-NeoX: fused projections, a bias everywhere. */
function fusedWithBiases(): Readonly<Record<"gpt2" | "gptneox", FamilyNeeds>> {
  const layer = [
    ...meanNorm("attn_norm"),
    need("attn_qkv.weight", "embd + 2 v", "embd"),
    need("attn_qkv.bias", "embd + 2 v"),
    squareOutput,
    need("attn_output.bias", "embd"),
    ...meanNorm("ffn_norm"),
    need("ffn_down.weight", "embd", "ff"),
    need("ffn_down.bias", "embd"),
    need("ffn_up.weight", "ff", "embd"),
    need("ffn_up.bias", "ff"),
  ];
  const ends = [embedding, ...meanNorm("output_norm")];
  return {
    gpt2: {
      keys: denseWithMean,
      ends: [...ends, need("position_embd.weight", "context", "embd"), may("output.weight", "vocab", "embd")],
      layer,
    },
    gptneox: {
      keys: [...denseWithMean, needKey("~.use_parallel_residual", "bool")],
      ends: [...ends, need("output.weight", "vocab", "embd")],
      layer,
    },
  };
}
