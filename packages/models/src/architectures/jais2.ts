/** Jais 2: norms that subtract the mean, biases everywhere, squared ReLU (llama.cpp, conversion/jais.py and models/jais2.cpp). */
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import {
  deriveHeadLength,
  deriveKeyValueHeads,
  setAttentionBias,
  textParameters,
  wholeHeadRope,
} from "./parameters.ts";
import { attention, decoderEnds, layerNorms, plainFeedForward } from "./tensors.ts";

export const jais2: Architecture = {
  name: "jais2",
  classes: ["Jais2ForCausalLM"],
  modelType: "jais2",
  defaults: {
    attention_bias: true,
    bos_token_id: 0,
    eos_token_id: 150024,
    head_dim: null,
    hidden_act: "relu2",
    hidden_size: 3328,
    intermediate_size: 26624,
    layer_norm_eps: 1e-5,
    max_position_embeddings: 8192,
    mlp_bias: true,
    num_attention_heads: 26,
    num_hidden_layers: 32,
    num_key_value_heads: null,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 150272,
  },
  derive: [deriveHeadLength, deriveKeyValueHeads],
  parameters: [...textParameters, wholeHeadRope],
  tensors: [...decoderEnds, ...layerNorms, ...attention(false), ...plainFeedForward],
  tokenizer: byteBpe,
  finishConfig(draft) {
    setAttentionBias(draft);
    draft.values.set("mlp_bias", draft.ggufNames.has("blk.0.ffn_up.bias"));
  },
};
