/** EuroBERT: Llama's layers, in which every token sees all others (llama.cpp, conversion/bert.py and models/eurobert.cpp). */
import { bool, string } from "../metadata-values.ts";
import { byteKinds } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { deriveHeadLength, deriveKeyValueHeads, fixed, textParameters } from "./parameters.ts";
import { classifierPooling, pooling } from "./pooling.ts";
import { attention, baseModelNames, decoderEnds, gatedFeedForward, layerNorms } from "./tensors.ts";

export const euroBert: Architecture = {
  name: "eurobert",
  memory: { keepsNothing: true },
  classes: ["EuroBertModel"],
  modelType: "eurobert",
  defaults: {
    attention_bias: false,
    bos_token_id: 128000,
    eos_token_id: 128001,
    head_dim: null,
    hidden_act: "silu",
    hidden_size: 768,
    intermediate_size: 3072,
    mask_token_id: 128002,
    max_position_embeddings: 8192,
    mlp_bias: false,
    num_attention_heads: 12,
    num_hidden_layers: 12,
    num_key_value_heads: null,
    pad_token_id: 128001,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 250000, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 128256,
    classifier_pooling: "late",
  },
  derive: [deriveHeadLength, deriveKeyValueHeads],
  parameters: [
    ...textParameters,
    fixed("~.attention.causal", bool(false)),
    fixed("~.rope.scaling.type", string("none")),
    pooling,
    classifierPooling,
  ],
  names: baseModelNames,
  tensors: [...decoderEnds, ...layerNorms, ...attention(false), ...gatedFeedForward],
  tokenizer: { kinds: byteKinds, before: [() => [["tokenizer.ggml.add_bos_token", bool(false)]]] },
  finishConfig(draft) {
    draft.values.set("tie_word_embeddings", false);
  },
};
