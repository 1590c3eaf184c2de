/** SmolLM 3: Llama with every fourth layer without rotary positions (llama.cpp, conversion/smollm3.py). */
import type { Architecture } from "./architecture.ts";
import { llamaDecoder } from "./decoder.ts";
import { llama } from "./llama.ts";
import { deriveKeyValueHeads } from "./parameters.ts";

export const smollm3: Architecture = {
  ...llama,
  name: "smollm3",
  classes: ["SmolLM3ForCausalLM"],
  modelType: "smollm3",
  defaults: {
    attention_bias: false,
    bos_token_id: 128000,
    eos_token_id: 128001,
    hidden_act: "silu",
    hidden_size: 2048,
    intermediate_size: 11008,
    max_position_embeddings: 32768,
    mlp_bias: false,
    no_rope_layer_interval: 4,
    num_attention_heads: 16,
    num_hidden_layers: 36,
    num_key_value_heads: 4,
    pad_token_id: 128004,
    rms_norm_eps: 1e-6,
    rope_parameters: { rope_theta: 2000000, rope_type: "default" },
    sliding_window: null,
    tie_word_embeddings: true,
    use_sliding_window: false,
    vocab_size: 128256,
  },
  derive: [deriveKeyValueHeads],
  // llama.cpp, src/models/smollm3.cpp
  decoder: { ...llamaDecoder, unrotatedPeriod: 4 },
  notInGguf: {
    no_rope_layer_interval: "built into llama.cpp: every fourth layer",
    use_sliding_window: "a GGUF of this family holds no sliding window",
  },
};
