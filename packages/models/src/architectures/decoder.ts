/**
 * How a family computes: the data that a forward pass needs beside metadata and tensors. The definition is llama.cpp's
 * graph of the architecture (llama.cpp, src/models/*.cpp); names of tensors and metadata keys are GGUF's. Tensors that a
 * file may have or lack (biases, norms of queries and keys, a head of its own, experts) are found in the file.
 */

/** Tensors of a layer, without `blk.{layer}.` and `.weight`, that some families have and others lack. */
export type LayerPart =
  | "attn_norm"
  | "attn_q_norm"
  | "attn_k_norm"
  | "post_attention_norm"
  | "ffn_norm"
  | "post_ffw_norm";

/** Layers in which a token sees only the last tokens. */
export interface DecoderWindows {
  /** Every layer but each `period`-th has a window, where `~.attention.sliding_window_pattern` says nothing else. */
  readonly period: number;
  /** Tokens of the window, where `~.attention.sliding_window` is missing; without both no layer has a window. */
  readonly length?: number;
  /** Base of the rotation in these layers, where `~.rope.freq_base_swa` is missing; else that of all layers. */
  readonly ropeBase?: number;
}

/** A decoder: embedding, layers of attention and feed-forward with residual sums, norm, head. */
export interface DecoderDescription {
  /** `layer` subtracts the mean, `rms` does not. */
  readonly norm: "rms" | "layer";
  /**
   * The norms that each layer must have. `attn_norm` and `ffn_norm` stand before a half, `post_attention_norm` and
   * `post_ffw_norm` after it. Where `ffn_norm` is missing, both halves read the same input if that has a norm.
   */
  readonly parts: readonly LayerPart[];
  /** Rotation of neighbours (`pairs`) or of both halves of a head (`halves`), or a learned vector for each position. */
  readonly positions: "pairs" | "halves" | "learned";
  readonly activation: "silu" | "gelu";
  /** The gate of the feed-forward: `ffn_gate`, the first half of the rows of `ffn_up`, or none. */
  readonly gate: "separate" | "fused" | "none";
  /** The flag in the metadata with which the feed-forward reads the input of the layer in place of attention's result. */
  readonly parallelKey?: string;
  /** Every so many layers one is without rotation. */
  readonly unrotatedPeriod?: number;
  /** True where `~.rope.scaling.finetuned` is false for a model without rotation. */
  readonly rotationKey?: true;
  readonly windows?: DecoderWindows;
  /** Of families with experts: whether the weights of the chosen experts are divided by their sum. */
  readonly experts?: { readonly normalized: boolean };
  /** Factor of the embedding: the square root of its length. */
  readonly scalesEmbedding?: true;
  /** True where the metadata give attention.scale, embedding_scale, residual_scale and logit_scale (a divisor). */
  readonly multipliers?: true;
  /** The number of layers at which queries are scaled by hidden size over heads in place of the length of a head. */
  readonly wideScaleLayers?: number;
  /** Attention scores are bounded: to this number where `~.attn_logit_softcapping` is missing. */
  readonly scoreCap?: number;
  /** Logits are bounded by `~.final_logit_softcapping`; where it is missing to this number, or not at all with 0. */
  readonly logitCap?: number;
}

/** Llama's own (llama.cpp, src/models/llama.cpp); many families differ from it in a few fields. */
export const llamaDecoder: DecoderDescription = {
  norm: "rms",
  parts: ["attn_norm", "ffn_norm"],
  positions: "pairs",
  activation: "silu",
  gate: "separate",
};
