/** Arcee AFM: Llama with squared ReLU and no gate (llama.cpp, conversion/llama.py `ArceeModel`, models/arcee.cpp). */
import { isJsonObject } from "../json.ts";
import { setRope } from "../rope.ts";
import type { Architecture } from "./architecture.ts";
import { llama, llamaParameters } from "./llama.ts";
import { setAttentionBias } from "./parameters.ts";
import { pooling } from "./pooling.ts";
import { attention, decoderEnds, layerNorms, plainFeedForward } from "./tensors.ts";

export const arcee: Architecture = {
  ...llama,
  decoder: undefined,
  name: "arcee",
  classes: ["ArceeForCausalLM"],
  modelType: "arcee",
  defaults: {
    attention_bias: false,
    bos_token_id: 128000,
    eos_token_id: 128001,
    head_dim: null,
    hidden_act: "relu2",
    hidden_size: 2560,
    intermediate_size: 18432,
    max_position_embeddings: 4096,
    mlp_bias: false,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: null,
    pad_token_id: null,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 32000,
  },
  parameters: [...llamaParameters, pooling],
  tensors: [...decoderEnds, ...layerNorms, ...attention(true), ...plainFeedForward],
  finishConfig(draft) {
    setAttentionBias(draft);
    draft.values.set("mlp_bias", draft.ggufNames.has("blk.0.ffn_up.bias"));
    const rope = draft.values.get("rope_parameters");
    if (!isJsonObject(rope) || rope["rope_type"] !== "yarn") return;
    setRope(draft, "mscale", 1);
    draft.assume("rope_scaling.mscale", 1, "a GGUF does not hold it; the published model has it");
  },
};
