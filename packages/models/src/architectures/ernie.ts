/** ERNIE 4.5, dense (llama.cpp, conversion/ernie.py). Its rotary pairs stand interleaved already. */
import { spacePrefixOfConfig } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { llamaDecoder } from "./decoder.ts";
import { deriveHeadLength, deriveKeyValueHeads, textParameters } from "./parameters.ts";
import { attention, decoderEnds, gatedFeedForward, layerNorms } from "./tensors.ts";

export const ernie45: Architecture = {
  name: "ernie4_5",
  classes: ["Ernie4_5ForCausalLM", "Ernie4_5_ForCausalLM"],
  modelType: "ernie4_5",
  defaults: {
    bos_token_id: 1,
    eos_token_id: 2,
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 1024,
    intermediate_size: 3072,
    max_position_embeddings: 131072,
    num_attention_heads: 16,
    num_hidden_layers: 18,
    num_key_value_heads: 2,
    pad_token_id: 0,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 500000, rope_type: "default" },
    tie_word_embeddings: true,
    use_bias: false,
    vocab_size: 103424,
  },
  derive: [deriveHeadLength, deriveKeyValueHeads],
  parameters: textParameters,
  tensors: [...decoderEnds, ...layerNorms, ...attention(false), ...gatedFeedForward],
  // llama.cpp, src/models/ernie4-5.cpp
  decoder: llamaDecoder,
  tokenizer: { kinds: ["sentencepiece"], after: [spacePrefixOfConfig], json: "llama" },
  finishConfig(draft) {
    draft.values.set("use_bias", draft.ggufNames.has("blk.0.attn_q.bias"));
  },
};
