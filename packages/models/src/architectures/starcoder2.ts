/** StarCoder 2: LayerNorm and biases everywhere (llama.cpp, conversion/starcoder.py). */
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { deriveKeyValueHeads, textParameters } from "./parameters.ts";
import { attention, decoderEnds, layerNorms, same } from "./tensors.ts";

export const starcoder2: Architecture = {
  name: "starcoder2",
  classes: ["Starcoder2ForCausalLM"],
  modelType: "starcoder2",
  defaults: {
    bos_token_id: 50256,
    eos_token_id: 50256,
    hidden_act: "gelu_pytorch_tanh",
    hidden_size: 3072,
    intermediate_size: 12288,
    max_position_embeddings: 4096,
    norm_epsilon: 1e-5,
    num_attention_heads: 24,
    num_hidden_layers: 30,
    num_key_value_heads: 2,
    pad_token_id: null,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    sliding_window: null,
    tie_word_embeddings: true,
    use_bias: true,
    vocab_size: 49152,
  },
  derive: [deriveKeyValueHeads],
  parameters: textParameters,
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    ...attention(false),
    same("model.layers.{layer}.mlp.c_fc.*", "blk.{layer}.ffn_up.*"),
    same("model.layers.{layer}.mlp.c_proj.*", "blk.{layer}.ffn_down.*"),
  ],
  tokenizer: byteBpe,
  // llama.cpp, src/models/starcoder2.cpp
  decoder: {
    norm: "layer",
    parts: ["attn_norm", "ffn_norm"],
    positions: "halves",
    activation: "gelu",
    gate: "none",
  },
  finishConfig(draft) {
    draft.values.set("use_bias", draft.ggufNames.has("blk.0.attn_q.bias"));
  },
  notInGguf: { sliding_window: "a GGUF of this family holds no sliding window" },
};
