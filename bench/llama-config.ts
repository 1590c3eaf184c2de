import type { LlamaShape } from "./llama-shape.ts";

/** A config.json of a made-up llama, as transformers writes it. */
export function llamaConfig(shape: LlamaShape, dtype: string): Record<string, unknown> {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: shape.width,
    intermediate_size: shape.feedForward,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.keyValueHeads,
    num_hidden_layers: shape.layers,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    vocab_size: shape.vocabularySize,
    tie_word_embeddings: false,
    torch_dtype: dtype,
  };
}
