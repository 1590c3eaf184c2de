/** T5, mT5 and UMT5: an encoder and a decoder with relative positions; T5's encoder alone (llama.cpp, conversion/t5.py and models/t5.cpp). */
import { f32, numberOf, u32 } from "../metadata-values.ts";
import type { Architecture, ConfigDraft, LeftOutRule, ParameterRule, TensorRule } from "./architecture.ts";
import { count, derived, generic, real } from "./parameters.ts";
import { readOnly, same } from "./tensors.ts";

function half(hf: "encoder" | "decoder", gguf: "enc" | "dec"): readonly TensorRule[] {
  const layer = `${hf}.block.{layer}.layer`;
  const own = `${gguf}.blk.{layer}`;
  const feedForward = `${layer}.${hf === "encoder" ? 1 : 2}`;
  const matrices = ["q", "k", "v", "o"] as const;
  return [
    ...matrices.map((part) => same(`${layer}.0.SelfAttention.${part}.weight`, `${own}.attn_${part}.weight`)),
    same(`${layer}.0.SelfAttention.relative_attention_bias.weight`, `${own}.attn_rel_b.weight`),
    same(`${layer}.0.layer_norm.weight`, `${own}.attn_norm.weight`),
    same(`${feedForward}.DenseReluDense.wi_0.weight`, `${own}.ffn_gate.weight`),
    same(`${feedForward}.DenseReluDense.wi_1.weight`, `${own}.ffn_up.weight`),
    same(`${feedForward}.DenseReluDense.wo.weight`, `${own}.ffn_down.weight`),
    same(`${feedForward}.layer_norm.weight`, `${own}.ffn_norm.weight`),
    same(`${hf}.final_layer_norm.weight`, `${gguf}.output_norm.weight`),
  ];
}

/** A feed-forward without a gate has one matrix in front, under a name of its own. */
const ungated: readonly TensorRule[] = [
  readOnly(same("encoder.block.{layer}.layer.1.DenseReluDense.wi.weight", "enc.blk.{layer}.ffn_up.weight")),
  readOnly(same("decoder.block.{layer}.layer.2.DenseReluDense.wi.weight", "dec.blk.{layer}.ffn_up.weight")),
];

const crossAttention: readonly TensorRule[] = [
  ...["q", "k", "v", "o"].map((part) =>
    same(
      `decoder.block.{layer}.layer.1.EncDecAttention.${part}.weight`,
      `dec.blk.{layer}.cross_attn_${part}.weight`,
    ),
  ),
  same("decoder.block.{layer}.layer.1.layer_norm.weight", "dec.blk.{layer}.cross_attn_norm.weight"),
  // the first T5 has it, and no model uses it
  same(
    "decoder.block.{layer}.layer.1.EncDecAttention.relative_attention_bias.weight",
    "dec.blk.{layer}.cross_attn_rel_b.weight",
  ),
];

const embedding: readonly TensorRule[] = [
  same("shared.weight", "token_embd.weight"),
  readOnly(same("decoder.embed_tokens.weight", "token_embd.weight")),
  readOnly(same("encoder.embed_tokens.weight", "token_embd.weight")),
];

/** The embedding is stored once for each half or once for both; in the order of names the first counts. */
const copies: readonly LeftOutRule[] = [
  {
    pattern: /^encoder\.embed_tokens\.weight$/,
    reason: "a copy of the embedding",
    when: (_, __, names) => names.has("decoder.embed_tokens.weight"),
  },
  {
    pattern: /^shared\.weight$/,
    reason: "a copy of the embedding",
    when: (_, __, names) =>
      names.has("decoder.embed_tokens.weight") || names.has("encoder.embed_tokens.weight"),
  },
];

const contextLength: ParameterRule = derived(
  "~.context_length",
  // positions are relative, so the config may say no length
  (config) => u32(config.count("n_positions") ?? 512),
  (value, draft) => draft.values.set("n_positions", numberOf(value) ?? 512),
);

const sizes: readonly ParameterRule[] = [
  contextLength,
  count("~.embedding_length", ["d_model"]),
  count("~.feed_forward_length", ["d_ff"]),
  count("~.block_count", ["num_layers"]),
];

const attentionParameters: readonly ParameterRule[] = [
  count("~.attention.head_count", ["num_heads"]),
  count("~.attention.key_length", ["d_kv"]),
  derived("~.attention.value_length", (config) => u32(config.need("d_kv"))),
  real("~.attention.layer_norm_epsilon", ["layer_norm_epsilon"]),
  count("~.attention.relative_buckets_count", ["relative_attention_num_buckets"]),
  derived("~.attention.layer_norm_rms_epsilon", (config) => f32(config.number("layer_norm_epsilon") ?? 1e-6)),
];

function finishT5(draft: ConfigDraft): void {
  const { values } = draft;
  values.set("vocab_size", draft.shapeOf("token_embd.weight")?.[0] ?? null);
  const isGated = draft.ggufNames.has("enc.blk.0.ffn_gate.weight");
  values.set("feed_forward_proj", isGated ? "gated-gelu" : "relu");
  values.set("is_encoder_decoder", true);
  if (!values.has("num_decoder_layers")) values.set("num_decoder_layers", values.get("num_layers") ?? 0);
  if (!values.has("decoder_start_token_id")) values.set("decoder_start_token_id", 0);
  const isTied = !isGated && !draft.ggufNames.has("output.weight");
  values.set("tie_word_embeddings", isTied);
  draft.assume(
    "tie_word_embeddings",
    isTied,
    "T5 1.0, which has no gates, scales the decoder's output for a shared head, and later models do not",
  );
}

/** Whether a family without gates is meant is seen in the tensors. */
const names: NonNullable<Architecture["names"]> = {
  toRules: (name) => name,
  fromRules: (name, config) =>
    config.text("feed_forward_proj") === "relu" ? name.replace(".wi_1.", ".wi.") : name,
};

export const t5: Architecture = {
  name: "t5",
  classes: ["T5ForConditionalGeneration", "T5WithLMHeadModel"],
  modelType: "t5",
  hasRope: false,
  defaults: {
    d_ff: 2048,
    d_kv: 64,
    d_model: 512,
    eos_token_id: 1,
    feed_forward_proj: "relu",
    layer_norm_epsilon: 1e-6,
    num_heads: 8,
    num_layers: 6,
    pad_token_id: 0,
    relative_attention_max_distance: 128,
    relative_attention_num_buckets: 32,
    vocab_size: 32128,
  },
  derive: [
    (values) => {
      if (typeof values.get("num_decoder_layers") !== "number")
        values.set("num_decoder_layers", values.get("num_layers") ?? null);
    },
  ],
  parameters: [
    ...sizes,
    count("~.decoder_block_count", ["num_decoder_layers"]),
    ...attentionParameters,
    count("~.decoder_start_token_id", ["decoder_start_token_id"]),
    generic.fileType,
  ],
  names,
  tensors: [
    ...embedding,
    ...half("encoder", "enc"),
    ...half("decoder", "dec"),
    ...crossAttention,
    ...ungated,
    same("lm_head.weight", "output.weight"),
  ],
  leftOut: copies,
  tokenizer: { kinds: ["t5-sentencepiece", "sentencepiece", "unigram"] },
  finishConfig: finishT5,
  recognises: (_, names) => !names.has("enc.blk.1.attn_rel_b.weight"),
};

/** The same model with other defaults. */
export const mt5: Architecture = {
  ...t5,
  classes: ["MT5ForConditionalGeneration"],
  modelType: "mt5",
  defaults: {
    ...t5.defaults,
    d_ff: 1024,
    decoder_start_token_id: 0,
    feed_forward_proj: "gated-gelu",
    num_heads: 6,
    num_layers: 8,
    vocab_size: 250112,
  },
  writesBack: false,
};

/** Relative positions in each layer, not in the first alone. */
export const umt5: Architecture = {
  ...mt5,
  classes: ["UMT5ForConditionalGeneration", "UMT5Model"],
  modelType: "umt5",
  writesBack: true,
  recognises: (_, names) => names.has("enc.blk.1.attn_rel_b.weight"),
};

export const t5Encoder: Architecture = {
  ...t5,
  name: "t5encoder",
  classes: ["T5EncoderModel"],
  parameters: [...sizes, ...attentionParameters, generic.fileType],
  tensors: [...embedding, ...half("encoder", "enc"), ...ungated.slice(0, 1)],
  recognises: () => true,
};
