/** Solar Open: GLM-4.5 without dense layers (llama.cpp, conversion/glm.py). */
import { stringOf } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { glm4moe } from "./glm.ts";

export const solarOpen: Architecture = {
  ...glm4moe,
  classes: ["SolarOpenForCausalLM"],
  modelType: "solar_open",
  defaults: {
    attention_bias: false,
    bos_token_id: null,
    eos_token_id: null,
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 4096,
    max_position_embeddings: 131072,
    moe_intermediate_size: 1280,
    n_group: 1,
    n_routed_experts: 128,
    n_shared_experts: 1,
    norm_topk_prob: true,
    num_attention_heads: 64,
    num_experts_per_tok: 8,
    num_hidden_layers: 48,
    num_key_value_heads: 8,
    pad_token_id: null,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 1000000, rope_type: "default" },
    routed_scaling_factor: 1,
    tie_word_embeddings: false,
    topk_group: 1,
    vocab_size: 196608,
  },
  tokenizer: {
    ...byteBpe,
    rolesByText: [
      ["eos", "<|endoftext|>"],
      ["eot", "<|endoftext|>"],
      ["unk", "<unk>"],
      ["bos", "<|startoftext|>"],
    ],
  },
  recognises: (metadata) => stringOf(metadata.get("tokenizer.ggml.pre")) === "solar-open",
};
