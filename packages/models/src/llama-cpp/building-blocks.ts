/** Tensors and keys that many families share (llama-model.cpp, create_tensor_qkv and src/models). */
import { aboveZero, notNegative, perLayer } from "./common-keys.ts";
import { type KeyNeed, may, mayKey, need, needKey, type TensorNeed, unless, where } from "./rules.ts";
import type { SizeName } from "./sizes.ts";

export const rmsEpsilon: KeyNeed = needKey("~.attention.layer_norm_rms_epsilon", "f32", notNegative);
export const normEpsilon: KeyNeed = needKey("~.attention.layer_norm_epsilon", "f32", notNegative);

const positive = {
  must: { be: "at least 1", holds: (value: number | string) => Number(value) >= 1 },
} as const;

/** Of every family with attention. The number of key heads is that of all heads where it is not stated. */
export const attentionKeys: readonly KeyNeed[] = [
  needKey("~.attention.head_count", "u32", { ...perLayer, ...positive }),
  mayKey("~.attention.head_count_kv", "u32", { ...perLayer, ...positive }),
  mayKey("~.attention.key_length", "u32", positive),
  mayKey("~.attention.value_length", "u32", positive),
];

export const forwardKeys: readonly KeyNeed[] = [
  needKey("~.feed_forward_length", "u32", { ...perLayer, ...positive }),
];

export const expertKeys: readonly KeyNeed[] = [
  needKey("~.expert_count", "u32", positive),
  needKey("~.expert_used_count", "u32", perLayer),
];

/** Which layers slide: a list, or how often one does not. */
export const slidingPattern: KeyNeed = mayKey("~.attention.sliding_window_pattern", "u32", {
  list: { of: ["bool", "u32", "i32"], length: "any" },
});

export const slidingKeys: readonly KeyNeed[] = [
  mayKey("~.attention.sliding_window", "u32"),
  mayKey("~.rope.freq_base_swa", "f32", aboveZero),
  slidingPattern,
];

export const ropeSections: KeyNeed = mayKey("~.rope.dimension_sections", undefined, {
  list: { of: ["i32", "u32"], length: 4 },
});

export const embedding: TensorNeed = need("token_embd.weight", "vocab", "embd");
export const outputNorm: TensorNeed = need("output_norm.weight", "embd");
/** An own head, or none: the embedding serves then. */
export const tiedEnds: readonly TensorNeed[] = [embedding, outputNorm, may("output.weight", "vocab", "embd")];
export const ownEnds: readonly TensorNeed[] = [embedding, outputNorm, need("output.weight", "vocab", "embd")];
/** The embedding is always the head. */
export const onlyEmbedding: readonly TensorNeed[] = [embedding, outputNorm];

/** One tensor for rotation, whatever the number of layers. */
export const ropeFactors: readonly TensorNeed[] = [
  ...where((sizes) => !usesLongRope(sizes), [may("rope_freqs.weight", "half turned")]),
  ...where(usesLongRope, longFactors()),
];

function usesLongRope(sizes: { hasTensor(name: string): boolean }): boolean {
  return sizes.hasTensor("rope_factors_long.weight") || sizes.hasTensor("rope_factors_short.weight");
}

export function longFactors(): readonly TensorNeed[] {
  return [may("rope_factors_long.weight", "half turned"), may("rope_factors_short.weight", "half turned")];
}

/** Queries, keys and values: three tensors with biases or none, or one fused. */
export function projections(
  q: SizeName = "q",
  k: SizeName = "k",
  v: SizeName = "v",
  fused: SizeName = "q + k + v",
): readonly TensorNeed[] {
  return [
    may("attn_qkv.weight", fused, "embd"),
    may("attn_qkv.bias", fused),
    may("attn_q.bias", q),
    may("attn_k.bias", k),
    may("attn_v.bias", v),
    ...unless("attn_qkv.weight", [
      need("attn_q.weight", q, "embd"),
      need("attn_k.weight", k, "embd"),
      need("attn_v.weight", v, "embd"),
    ]),
  ];
}

export const output: TensorNeed = need("attn_output.weight", "embd", "q");
/** Of families whose heads together are as long as the embedding. */
export const squareOutput: TensorNeed = need("attn_output.weight", "embd", "embd");
export const squareProjections: readonly TensorNeed[] = projections("embd", "v", "v", "embd + 2 v");
export const attnNorm: TensorNeed = need("attn_norm.weight", "embd");
export const ffnNorm: TensorNeed = need("ffn_norm.weight", "embd");
export const headNorms: readonly TensorNeed[] = [
  need("attn_q_norm.weight", "head"),
  need("attn_k_norm.weight", "head"),
];

export const gated: readonly TensorNeed[] = [
  need("ffn_gate.weight", "ff", "embd"),
  need("ffn_down.weight", "embd", "ff"),
  need("ffn_up.weight", "ff", "embd"),
];
export const gatedBiases: readonly TensorNeed[] = [
  may("ffn_gate.bias", "ff"),
  may("ffn_down.bias", "embd"),
  may("ffn_up.bias", "ff"),
];

export const router: TensorNeed = need("ffn_gate_inp.weight", "experts", "embd");

/** Stacks of experts, each matrix of its own. */
export function expertStacks(ff: SizeName): readonly TensorNeed[] {
  return [
    need("ffn_gate_exps.weight", "experts", ff, "embd"),
    need("ffn_down_exps.weight", "experts", "embd", ff),
    need("ffn_up_exps.weight", "experts", ff, "embd"),
  ];
}

/** The same; gate and up may be one matrix. */
export function fusableStacks(ff: SizeName, twice: SizeName): readonly TensorNeed[] {
  return [
    may("ffn_gate_up_exps.weight", "experts", twice, "embd"),
    need("ffn_down_exps.weight", "experts", "embd", ff),
    ...unless("ffn_gate_up_exps.weight", [
      need("ffn_gate_exps.weight", "experts", ff, "embd"),
      need("ffn_up_exps.weight", "experts", ff, "embd"),
    ]),
  ];
}

export function sharedExpert(ff: SizeName): readonly TensorNeed[] {
  return [
    need("ffn_gate_shexp.weight", ff, "embd"),
    need("ffn_down_shexp.weight", "embd", ff),
    need("ffn_up_shexp.weight", ff, "embd"),
  ];
}

/** What a layer that predicts a further token has beside the tensors of a layer. */
export const nextToken: readonly TensorNeed[] = [
  may("nextn.eh_proj.weight", "embd", "2 embd"),
  may("nextn.enorm.weight", "embd"),
  may("nextn.hnorm.weight", "embd"),
  may("nextn.embed_tokens.weight", "vocab", "embd"),
  may("nextn.shared_head_head.weight", "vocab", "embd"),
  may("nextn.shared_head_norm.weight", "embd"),
];

/** Such a layer where it is not computed: whatever it has must fit. */
export function passedOver(layer: readonly TensorNeed[]): readonly TensorNeed[] {
  return [...nextToken, ...layer.map((one) => ({ ...one, optional: true }))];
}

/** The norm of a family whose norms subtract the mean: weight and bias. */
export function meanNorm(name: string): readonly TensorNeed[] {
  return [need(`${name}.weight`, "embd"), need(`${name}.bias`, "embd")];
}
