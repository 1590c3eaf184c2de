/** Gemma 1, 2 and 3 (llama.cpp, conversion/gemma.py). Their norms are stored as the difference to one. */
import type { ConfigValues } from "../config.ts";
import { field, isJsonObject, type JsonValue } from "../json.ts";
import { f32, numberOf, u32 } from "../metadata-values.ts";
import { spacePrefix } from "../tokenizer/extras.ts";
import type { TokenizerRules } from "../tokenizer/rules.ts";
import type { Architecture, ConfigDraft, LeftOutRule, ParameterRule, TensorRule } from "./architecture.ts";
import type { DecoderDescription } from "./decoder.ts";
import { derived, generic, real, textParameters } from "./parameters.ts";
import { pooling } from "./pooling.ts";
import { attention, baseModelNames, decoderEnds, gatedFeedForward, shiftedNorm } from "./tensors.ts";

const gemmaTokenizer: TokenizerRules = {
  kinds: ["sentencepiece", "gemma-json"],
  after: [spacePrefix(false)],
  json: "gemma",
};

const tiedHead: LeftOutRule = {
  pattern: /(?:^|\.)lm_head\.weight$/,
  reason: "the head is the embedding; a copy of it is not written",
};

/** Gemma's class writes its own list, without the rope base. */
const gemmaParameters: readonly ParameterRule[] = [
  generic.contextLength,
  generic.embeddingLength,
  generic.blockCount,
  generic.feedForwardLength,
  generic.headCount,
  generic.headCountKv,
  generic.rmsEpsilon,
  generic.keyLength,
  generic.valueLength,
  generic.fileType,
];

const shiftedEnds: readonly TensorRule[] = [
  ...decoderEnds.filter(({ hf }) => hf[0] !== "model.norm.*"),
  shiftedNorm("model.norm.weight", "output_norm.weight"),
];

const inputNorm = shiftedNorm("model.layers.{layer}.input_layernorm.weight", "blk.{layer}.attn_norm.weight");

/** Norms before and after both halves of a layer. */
const fourNorms: readonly TensorRule[] = [
  inputNorm,
  shiftedNorm(
    "model.layers.{layer}.post_attention_layernorm.weight",
    "blk.{layer}.post_attention_norm.weight",
  ),
  shiftedNorm("model.layers.{layer}.pre_feedforward_layernorm.weight", "blk.{layer}.ffn_norm.weight"),
  shiftedNorm("model.layers.{layer}.post_feedforward_layernorm.weight", "blk.{layer}.post_ffw_norm.weight"),
];

/** llama.cpp, src/models/gemma.cpp. */
const gemmaDecoder: DecoderDescription = {
  norm: "rms",
  parts: ["attn_norm", "ffn_norm"],
  positions: "halves",
  activation: "gelu",
  gate: "separate",
  scalesEmbedding: true,
};

export const gemma: Architecture = {
  name: "gemma",
  classes: ["GemmaForCausalLM"],
  modelType: "gemma",
  defaults: {
    attention_bias: false,
    bos_token_id: 2,
    eos_token_id: 1,
    head_dim: 256,
    hidden_act: "gelu_pytorch_tanh",
    hidden_size: 3072,
    intermediate_size: 24576,
    max_position_embeddings: 8192,
    num_attention_heads: 16,
    num_hidden_layers: 28,
    num_key_value_heads: 16,
    pad_token_id: 0,
    rms_norm_eps: 1e-6,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    tie_word_embeddings: true,
    vocab_size: 256000,
  },
  parameters: gemmaParameters,
  tensors: [
    ...shiftedEnds,
    inputNorm,
    shiftedNorm("model.layers.{layer}.post_attention_layernorm.weight", "blk.{layer}.ffn_norm.weight"),
    ...attention(false),
    ...gatedFeedForward,
  ],
  leftOut: [tiedHead],
  decoder: gemmaDecoder,
  tokenizer: {
    ...gemmaTokenizer,
    // the class writes the id of the published models for every vocabulary
    after: [() => [["tokenizer.ggml.eot_token_id", u32(107)]], ...(gemmaTokenizer.after ?? [])],
  },
};

/** How llama.cpp scales queries: by the head, at 46 layers (27B) by hidden size over heads. */
function assumeQueryScale(draft: ConfigDraft): void {
  const head = numberOf(draft.parameter("~.attention.key_length")) ?? 256;
  const hidden = numberOf(draft.parameter("~.embedding_length")) ?? 0;
  const heads = numberOf(draft.parameter("~.attention.head_count")) ?? 1;
  const layers = numberOf(draft.parameter("~.block_count"));
  const largest = draft.metadata.get("general.architecture")?.value === "gemma2" ? 46 : 62;
  const scalar = layers === largest ? Math.floor(hidden / heads) : head;
  draft.values.set("query_pre_attn_scalar", scalar);
  draft.assume(
    "query_pre_attn_scalar",
    scalar,
    "a GGUF does not hold it; what llama.cpp computes with is taken",
  );
}

/** llama.cpp, src/models/gemma2.cpp. */
const gemma2Decoder: DecoderDescription = {
  ...gemmaDecoder,
  parts: ["attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"],
  windows: { period: 2, length: 4096 },
  wideScaleLayers: 46,
  scoreCap: 50,
  logitCap: 30,
};

export const gemma2: Architecture = {
  ...gemma,
  name: "gemma2",
  memory: { windows: { period: 2, length: 4096 } },
  classes: ["Gemma2ForCausalLM"],
  modelType: "gemma2",
  defaults: {
    attention_bias: false,
    attn_logit_softcapping: 50,
    bos_token_id: 2,
    eos_token_id: 1,
    final_logit_softcapping: 30,
    head_dim: 256,
    hidden_activation: "gelu_pytorch_tanh",
    hidden_size: 2304,
    intermediate_size: 9216,
    max_position_embeddings: 8192,
    num_attention_heads: 8,
    num_hidden_layers: 26,
    num_key_value_heads: 4,
    pad_token_id: 0,
    query_pre_attn_scalar: 256,
    rms_norm_eps: 1e-6,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    sliding_window: 4096,
    tie_word_embeddings: true,
    vocab_size: 256000,
  },
  parameters: [
    ...gemmaParameters,
    real("~.attn_logit_softcapping", ["attn_logit_softcapping"]),
    real("~.final_logit_softcapping", ["final_logit_softcapping"]),
    generic.slidingWindow,
  ],
  tensors: [...shiftedEnds, ...fourNorms, ...attention(false), ...gatedFeedForward],
  tokenizer: gemmaTokenizer,
  decoder: gemma2Decoder,
  finishConfig: assumeQueryScale,
};

/** Before transformers 5 the two rope bases were separate keys: rope_theta and rope_local_base_freq. */
function ropeByLayerType(values: ConfigValues): void {
  const rope = values.get("rope_parameters");
  if (!isJsonObject(rope) || Object.values(rope).some(isJsonObject)) return;
  const local = values.get("rope_local_base_freq");
  values.set("rope_parameters", {
    sliding_attention: { rope_type: "default", rope_theta: typeof local === "number" ? local : 10000 },
    full_attention: { rope_theta: 1000000, ...rope },
  });
}

/** Writes the two bases so that every version of transformers reads them. */
export function splitRope(draft: ConfigDraft): void {
  const rope = draft.values.get("rope_parameters");
  if (!isJsonObject(rope)) return;
  const part = (name: string): { readonly [key: string]: JsonValue } => {
    const own = field(rope, name);
    return isJsonObject(own) ? own : {};
  };
  const { rope_theta: theta = 1000000, rope_type: type = "default", ...scaling } = part("full_attention");
  // scaling keys without a layer type came from the generic list
  const loose = Object.fromEntries(Object.entries(rope).filter(([, value]) => !isJsonObject(value)));
  const { rope_type: looseType = type, ...looseRest } = loose;
  draft.values.delete("rope_parameters");
  draft.values.set("rope_theta", theta);
  draft.values.set("rope_local_base_freq", part("sliding_attention")["rope_theta"] ?? 10000);
  const scaled = { ...scaling, ...looseRest };
  draft.values.set("rope_scaling", looseType === "default" ? null : { ...scaled, rope_type: looseType });
}

export const gemma3: Architecture = {
  ...gemma2,
  name: "gemma3",
  memory: { windows: { period: 6 } },
  classes: ["Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"],
  modelType: "gemma3_text",
  defaults: {
    attention_bias: false,
    attn_logit_softcapping: null,
    bos_token_id: 2,
    eos_token_id: 1,
    final_logit_softcapping: null,
    head_dim: 256,
    hidden_activation: "gelu_pytorch_tanh",
    hidden_size: 2304,
    intermediate_size: 9216,
    max_position_embeddings: 131072,
    num_attention_heads: 8,
    num_hidden_layers: 26,
    num_key_value_heads: 4,
    pad_token_id: 0,
    query_pre_attn_scalar: 256,
    rms_norm_eps: 1e-6,
    rope_parameters: {
      sliding_attention: { rope_type: "default", rope_theta: 10000 },
      full_attention: { rope_type: "default", rope_theta: 1000000 },
    },
    sliding_window: 4096,
    sliding_window_pattern: 6,
    tie_word_embeddings: true,
    vocab_size: 262208,
  },
  derive: [ropeByLayerType],
  parameters: [
    ...textParameters,
    {
      ...real("~.final_logit_softcapping", ["final_logit_softcapping"]),
      toGguf(config) {
        const cap = config.number("final_logit_softcapping");
        return cap === undefined || cap === 0 ? undefined : f32(cap);
      },
    },
    derived(
      "~.attention.sliding_window",
      (config) =>
        config.number("sliding_window_pattern") === 1 ? undefined : u32(config.need("sliding_window")),
      generic.slidingWindow.toHf,
    ),
  ],
  tensors: [
    ...gemma2.tensors,
    shiftedNorm("model.layers.{layer}.self_attn.q_norm.weight", "blk.{layer}.attn_q_norm.weight"),
    shiftedNorm("model.layers.{layer}.self_attn.k_norm.weight", "blk.{layer}.attn_k_norm.weight"),
  ],
  leftOut: [],
  // llama.cpp, src/models/gemma3.cpp
  decoder: {
    ...gemmaDecoder,
    parts: [...gemma2Decoder.parts, "attn_q_norm", "attn_k_norm"],
    windows: { period: 6, ropeBase: 10000 },
    wideScaleLayers: 62,
    logitCap: 0,
  },
  finishConfig(draft) {
    assumeQueryScale(draft);
    splitRope(draft);
  },
};

/** EmbeddingGemma: Gemma 3 in which every token sees all others. */
export const gemmaEmbedding: Architecture = {
  ...gemma3,
  name: "gemma-embedding",
  memory: { keepsNothing: true },
  classes: ["Gemma3TextModel"],
  names: baseModelNames,
  parameters: [...gemma3.parameters, pooling],
  decoder: undefined,
  finishConfig(draft) {
    gemma3.finishConfig?.(draft);
    draft.values.set("use_bidirectional_attention", true);
    draft.values.set("_sliding_window_pattern", 6);
  },
};
