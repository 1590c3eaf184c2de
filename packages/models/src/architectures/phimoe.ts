/** Phi-3.5-MoE: Phi-3's metadata, Mixtral's experts, norms and projections with biases (llama.cpp, conversion/phi.py). */
import { setRope } from "../rope.ts";
import type { Architecture } from "./architecture.ts";
import { numberedExperts } from "./expert-tensors.ts";
import { generic, setAttentionBias } from "./parameters.ts";
import { phi3 } from "./phi.ts";
import { attention, decoderEnds, layerNorms, same } from "./tensors.ts";

/** The scale of both lengths in microsoft/Phi-3.5-MoE-instruct's config.json. */
const publishedScale = 1.243163121016122;

export const phimoe: Architecture = {
  ...phi3,
  name: "phimoe",
  classes: ["PhiMoEForCausalLM", "PhimoeForCausalLM"],
  modelType: "phimoe",
  defaults: {
    attention_bias: false,
    bos_token_id: 1,
    eos_token_id: 2,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 6400,
    lm_head_bias: false,
    max_position_embeddings: 131072,
    num_attention_heads: 32,
    num_experts_per_tok: 2,
    num_hidden_layers: 32,
    num_key_value_heads: 8,
    num_local_experts: 16,
    original_max_position_embeddings: 4096,
    pad_token_id: null,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 1000000, partial_rotary_factor: 1, rope_type: "default" },
    sliding_window: null,
    tie_word_embeddings: false,
    vocab_size: 32064,
  },
  parameters: [...phi3.parameters, generic.expertUsedCount, generic.expertCount],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    ...attention(false),
    numberedExperts("model.layers.{layer}.block_sparse_moe.experts"),
    same("model.layers.{layer}.block_sparse_moe.gate.weight", "blk.{layer}.ffn_gate_inp.weight"),
  ],
  decoder: undefined,
  finishConfig(draft) {
    phi3.finishConfig?.(draft);
    setAttentionBias(draft);
    draft.values.set("lm_head_bias", draft.ggufNames.has("output.bias"));
    if (!draft.ggufNames.has("rope_factors_long.weight")) return;
    for (const key of ["long_mscale", "short_mscale"]) {
      setRope(draft, key, publishedScale);
      draft.assume(
        `rope_scaling.${key}`,
        publishedScale,
        "a GGUF does not hold it; that of the published model is taken",
      );
    }
  },
};
